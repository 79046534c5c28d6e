# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception class of `dmd_ros.eval`."""


class EvalError(RuntimeError):
    """A bag, folder or option that cannot be evaluated; the message names it and the fix."""
