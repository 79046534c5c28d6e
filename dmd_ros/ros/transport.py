# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make Fast DDS send in a separate thread while the worker continues.

publish() copies a large message several times: into a C message, into the writer's history, and
piece by piece into the memory shared with the readers. The last copy also holds Python's GIL, and
can be left to a thread of the middleware: the readers get the message just as soon, and a second
core is used.
"""

from __future__ import annotations

import os

_MODE = 'RMW_FASTRTPS_PUBLICATION_MODE'


def send_in_background() -> None:
    """Set it before rclpy is initialised, unless set by the user. Other middlewares ignore it."""
    os.environ.setdefault(_MODE, 'ASYNCHRONOUS')
