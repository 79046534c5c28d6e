# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception class of `dmd_ros.core`."""


class CoreError(ValueError):
    """An invalid value; the message states the value, the allowed values and the fix."""
