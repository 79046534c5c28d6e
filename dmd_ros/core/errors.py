# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception class of `dmd_ros.core`."""


class CoreError(ValueError):
    """A value that the core cannot work with; the message names it, what is allowed, the fix."""
