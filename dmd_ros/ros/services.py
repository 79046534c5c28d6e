# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep rclpy's own services from ending the node when they fail on a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Answer = Callable[[Any, Any], Any]


def refuse_what_fails(node: Any) -> None:
    """Make all services of `node` respond to every request, even if it cannot be fulfilled.

    The executor ends with the exception of a service: up to Jazzy for a transition that the state
    does not allow, and in all distributions for a parameter of an unknown type.
    """
    for service in node.services:
        service.callback = _refusing(node, service.srv_name, service.callback)


def _refusing(node: Any, name: str, answer: Answer) -> Answer:
    def answer_or_refuse(request: Any, response: Any) -> Any:
        try:
            return answer(request, response)
        except Exception as error:
            why = f'{type(error).__name__}: {error}'
            node.get_logger().error(f'{name} refused ({why}): {request}')
            return response  # unmodified: no success

    return answer_or_refuse
