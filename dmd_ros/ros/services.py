# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""rclpy's own services, kept from ending the node where they cannot cope with a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Answer = Callable[[Any, Any], Any]


def refuse_what_fails(node: Any) -> None:
    """Have all services of `node` answer whatever is asked of them.

    The executor ends with what a service raises: up to Jazzy for a transition that the state does
    not allow, and everywhere for a parameter of a type that there is not.
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
            return response  # as it was made: without success

    return answer_or_refuse
