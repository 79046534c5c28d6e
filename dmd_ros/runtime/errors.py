# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exceptions of `dmd_ros.runtime`."""


class BackendError(RuntimeError):
    """A model, provider or engine cannot be used; the message states what, where and the fix."""


class RefusedError(BackendError):
    """An engine cannot be built or fails its proof; another precision may work."""


class NotBuiltError(RefusedError):
    """TensorRT could not build the engine; may_pass: the cause may be temporary."""

    def __init__(self, text: str, may_pass: bool = False) -> None:
        """text: the message. may_pass: whether another try may succeed."""
        super().__init__(text)
        self.may_pass = may_pass


class StaleError(BackendError):
    """TensorRT itself rejects an engine, although its key matches."""
