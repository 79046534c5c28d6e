# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exceptions of `dmd_ros.runtime`."""


class BackendError(RuntimeError):
    """A model, provider or engine that cannot be used; says what, where, and the fix."""


class RefusedError(BackendError):
    """An engine cannot be built, or is not what it should be: one of another precision may."""


class NotBuiltError(RefusedError):
    """What TensorRT could not build; may_pass: for a reason that may be gone the next time."""

    def __init__(self, text: str, may_pass: bool = False) -> None:
        """Say it, and whether another try may meet it."""
        super().__init__(text)
        self.may_pass = may_pass


class StaleError(BackendError):
    """An engine that TensorRT itself does not accept here, though its key is right."""
