# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Invalid requests are refused and do not end the node."""

from __future__ import annotations

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from peers import PATIENCE
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters


def test_a_transition_that_the_state_does_not_allow_is_refused(running):
    """By its number, as lifecycle managers request it, from a self-activated node."""
    with running() as robot:
        peer = robot.peer
        for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE, 99):
            request = ChangeState.Request(transition=Transition(id=number))
            assert not peer.call(ChangeState, 'change_state', request, PATIENCE).success
        assert peer.state() == 'active'
        peer.ask_grey()


def test_a_parameter_of_an_unknown_type_is_refused(running):
    with running() as robot:
        value = ParameterValue(type=99, integer_value=3)
        request = SetParameters.Request(parameters=[Parameter(name='steps', value=value)])
        answer = robot.peer.call(SetParameters, 'set_parameters', request, PATIENCE)
        assert not any(result.successful for result in answer.results)
        robot.node.wait_line('99 is not a valid')
        assert robot.peer.get_parameter('steps') == 0
        robot.peer.ask_grey()
