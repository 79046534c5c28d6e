# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a command that trains speaks: its log on standard output, its errors in one line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from dmd_ros.core.errors import CoreError
from dmd_ros.runtime.errors import BackendError
from train.errors import TrainError


def run_command(train: Callable[[], object]) -> int:
    """Run it; the exit status is 0, 1 after an error, 130 if it was interrupted."""
    logging.basicConfig(
        format='%(asctime)s %(message)s', datefmt='%H:%M:%S', level=logging.INFO, stream=sys.stdout
    )
    logging.getLogger('numba').setLevel(logging.WARNING)  # it tells of every allocation
    try:
        train()
    except (TrainError, BackendError, CoreError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('stopped; go on with --resume', file=sys.stderr)
        return 130
    return 0
