# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says to --help, which ROS itself leaves to each program."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
import textwrap
from collections.abc import Sequence

from dmd_ros.ros.params import Settings

_HEAD = """\
usage: dmd_node --ros-args [-r image:=TOPIC] [-r camera_info:=TOPIC] [-p NAME:=VALUE ...]
                [--params-file FILE]

Metric depth and coloured points from one calibrated camera. The parameters, as they are if not
set; config/dmd.yaml has more about each:
"""


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Whether the arguments before those of ROS ask for help."""
    own = itertools.takewhile(lambda word: word != '--ros-args', arguments)
    return not {'-h', '--help'}.isdisjoint(own)


def tell() -> None:
    """Print `usage`, to a reader that may have seen enough (head, less) before its end."""
    try:
        print(usage(), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more


def usage() -> str:
    """List how to start the node, and all its parameters."""
    lines = [_HEAD]
    for field in dataclasses.fields(Settings):
        about, default = field.metadata, field.default
        text = str(default).lower() if isinstance(default, bool) else str(default)
        lines.append(f'  {field.name}:={text or repr(text)}')
        choices = f' ({", ".join(map(str, about["choices"]))})' if 'choices' in about else ''
        lines += textwrap.wrap(about['meaning'] + choices, 90, initial_indent=' ' * 6,
                               subsequent_indent=' ' * 6)  # fmt: skip
    return '\n'.join(lines)
