# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings with depth estimated by another node, for the tests that evaluate it."""

from __future__ import annotations

import json

import numpy as np
from bag_factory import CAMERA, T0, Item, frames

from dmd_ros.eval import replay
from dmd_ros.eval.options import run_command

THEIRS = '/theirs/depth'
# Metres; columns differ strongly, so that depth on another grid is clearly wrong.
RAMP = np.tile(np.geomspace(1.0, 9.0, 64, dtype=np.float32), (48, 1))
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def recording(count=3, camera=CAMERA):
    return frames([PICTURE] * count, [RAMP] * count, camera=camera)


def estimates(*maps, kind='depth32', **changes):
    """One map per image, in order."""
    return [
        Item(THEIRS, T0 + i * 100_000_000, depth, kind, **changes) for i, depth in enumerate(maps)
    ]


def judged(bag, out, *options):
    replay.main([str(bag), '--out', str(out), '--quiet', *options])
    return json.loads((out / 'results.json').read_text())


def failure(argv, capsys):
    assert run_command(lambda _: replay.main([*map(str, argv), '--quiet'])) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and 'Traceback' not in error
    return error
