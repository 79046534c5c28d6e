# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep QoS events that another thread destroys from ending the spin that waits for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.exceptions import InvalidHandle


def outlive(waitable: Any) -> None:
    """Make the executor skip `waitable` once it is destroyed.

    rclpy does so for subscriptions, timers and services, but not for QoS events: destroying a
    subscription in another thread than the spinning one, as a transition under a
    MultiThreadedExecutor does, ends the spin if it has just built its wait list.
    """
    for name in ('add_to_wait_set', 'take_data'):
        setattr(waitable, name, _unless_destroyed(getattr(waitable, name)))


def _unless_destroyed(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except InvalidHandle:
            return None

    return call
