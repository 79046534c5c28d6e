# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings as specified on the command line of `train.finetune`."""

from __future__ import annotations

from train.finetune import _parse
from train.recordings import Recording, recordings_of


def given(*arguments: object) -> list[Recording]:
    return recordings_of(_parse([str(text) for text in arguments]))
