# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Has Fast DDS send in a thread of its own while the worker goes on.

publish() of a large message is copy after copy: into a C message, into the writer's history, and
piece by piece into the memory shared with the readers. The last one holds Python's lock as well,
and can be left to a thread of the middleware: the readers get the message just as soon, and the
second core has something to do.
"""

from __future__ import annotations

import os

_MODE = 'RMW_FASTRTPS_PUBLICATION_MODE'


def send_in_background() -> None:
    """Ask for it, before rclpy is initialised; what the user has set stays. Others ignore it."""
    os.environ.setdefault(_MODE, 'ASYNCHRONOUS')
