# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Events of QoS, kept from ending the spin that waits for them when another thread ends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.exceptions import InvalidHandle


def outlive(waitable: Any) -> None:
    """Have the executor pass over `waitable` once it is destroyed.

    rclpy looks at subscriptions, timers and services in that way, but not at the events of QoS:
    who destroys a subscription in another thread than the one that spins, as a transition under a
    MultiThreadedExecutor does, ends the spin if that has just made up its list.
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
