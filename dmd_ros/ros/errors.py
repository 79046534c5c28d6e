# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception class of `dmd_ros.ros`."""


class NodeError(RuntimeError):
    """A parameter or environment that the node cannot work with; says which, and the fix."""
