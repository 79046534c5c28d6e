# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of the demo about a bag's ground truth before it plays the bag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rosbags')

from bag_factory import DEPTH, T0, Item, frames, write_bag
from oracle_model import grey_from_depth

from dmd_ros.eval.errors import EvalError
from dmd_ros.ros.demo import __main__ as command
from dmd_ros.ros.demo.performance import Observed
from dmd_ros.ros.errors import NodeError

ROOM = np.full((48, 64), 2.0, np.float32)  # metres
PICTURES = frames([grey_from_depth(ROOM)] * 3)


def test_truth_that_cannot_be_registered_is_refused_before_playing(
    oracle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Item('/lidar/points', T0, np.ones((3, 3)), 'cloud', 'lidar')
    bag = write_bag(tmp_path / 'bag', [*PICTURES, cloud])
    monkeypatch.setattr(command, 'perform', lambda *_: pytest.fail('it was played'))
    words = ['--bag', str(bag), '--out', str(tmp_path / 'out'), '--model', str(oracle)]
    with pytest.raises(EvalError, match="no static transform links the frames 'lidar' and"):
        command.main([*words, '--depth-topic', '/lidar/points'])
    assert not (tmp_path / 'out').exists()


def test_the_command_with_the_options_that_a_warning_suggests_is_named(
    oracle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    late = Item(DEPTH, T0 + 10**10, ROOM, 'depth32')
    bag = write_bag(tmp_path / 'bag', [*PICTURES, late])
    monkeypatch.setattr(command, 'perform', lambda *_: Observed())
    with pytest.raises(NodeError, match='the node published no depth'):
        command.main(['--bag', str(bag), '--out', str(tmp_path / 'out'), '--model', str(oracle)])
    warning, where = capsys.readouterr().err.splitlines()
    assert warning.endswith('there is no ground truth (see --depth-tolerance)')
    assert where.startswith(
        '--depth-tolerance: not an option of the demo, but of python -m dmd_ros.eval.'
    )
