# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How large messages leave the process. What it brings is in the stage table of `make bench`."""

from __future__ import annotations

import os

import pytest

from dmd_ros.ros.transport import send_in_background

MODE = 'RMW_FASTRTPS_PUBLICATION_MODE'


@pytest.mark.parametrize(
    ('before', 'after'), [(None, 'ASYNCHRONOUS'), ('SYNCHRONOUS', 'SYNCHRONOUS')]
)
def test_the_middleware_sends_in_the_background_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, before: str | None, after: str
) -> None:
    monkeypatch.setenv(MODE, before or '')
    if before is None:
        monkeypatch.delenv(MODE)
    send_in_background()
    assert os.environ[MODE] == after
