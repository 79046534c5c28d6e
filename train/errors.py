# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception of the trainer."""


class TrainError(RuntimeError):
    """Training cannot start or go on; the message says what, and what to change."""
