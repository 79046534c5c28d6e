# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sending of large messages. The stage table of `make bench` shows the gain."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from peers import free_domain

from dmd_ros.ros.processes import environment
from dmd_ros.ros.transport import send_in_background

SEND_BUFFERS = """
import os, socket, stat, rclpy
rclpy.init()
node = rclpy.create_node('sender')
for name in os.listdir('/proc/self/fd'):
    number = int(name)
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            continue
    except OSError:
        continue  # the one of the listing itself
    found = socket.socket(fileno=os.dup(number))
    if found.family == socket.AF_INET and found.type == socket.SOCK_DGRAM:
        print(found.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
"""
MODE = 'RMW_FASTRTPS_PUBLICATION_MODE'


@pytest.mark.parametrize(
    ('before', 'after'), [(None, 'ASYNCHRONOUS'), ('SYNCHRONOUS', 'SYNCHRONOUS')]
)
def test_the_middleware_sends_in_the_background_unless_the_user_chose_otherwise(
    monkeypatch: pytest.MonkeyPatch, before: str | None, after: str
) -> None:
    monkeypatch.setenv(MODE, before or '')
    if before is None:
        monkeypatch.delenv(MODE)
    send_in_background()
    assert os.environ[MODE] == after


def test_the_profile_keeps_the_send_buffer_of_the_system() -> None:
    """With a large one, messages overrun the queue of the network card and are lost."""
    with free_domain() as domain:
        result = subprocess.run(
            [sys.executable, '-c', SEND_BUFFERS],
            env={**environment(), 'ROS_DOMAIN_ID': str(domain)},
            capture_output=True,
            text=True,
            check=True,
        )
    with socket.socket(type=socket.SOCK_DGRAM) as plain:
        usual = plain.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert set(map(int, result.stdout.split())) == {usual}, result.stderr
