# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The --help text of the node, which ROS leaves to each program."""

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

Metric depth and coloured points from one calibrated camera. The parameters with their default
values; config/dmd.yaml explains each at more length:
"""


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Return whether the arguments before those of ROS request help."""
    own = itertools.takewhile(lambda word: word != '--ros-args', arguments)
    return not {'-h', '--help'}.isdisjoint(own)


def tell() -> None:
    """Print `usage`; a reader such as head or less may close the pipe early."""
    try:
        print(usage(), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more


def usage() -> str:
    """Return the command line of the node and the list of its parameters."""
    lines = [_HEAD]
    for field in dataclasses.fields(Settings):
        about, default = field.metadata, field.default
        text = str(default).lower() if isinstance(default, bool) else str(default)
        lines.append(f'  {field.name}:={text or repr(text)}')
        choices = f' ({", ".join(map(str, about["choices"]))})' if 'choices' in about else ''
        lines += textwrap.wrap(about['meaning'] + choices, 90, initial_indent=' ' * 6,
                               subsequent_indent=' ' * 6)  # fmt: skip
    return '\n'.join(lines)
