# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception class of `dmd_ros.ros`."""


class NodeError(RuntimeError):
    """An unusable parameter or environment; the message names it and the fix."""
