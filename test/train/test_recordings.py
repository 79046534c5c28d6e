# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags and folders of labelled frames as input of the trainer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from given_recordings import given

from train.errors import TrainError
from train.recordings import cameras_of, kind_of, sources_of


def test_the_settings_for_one_bag_allow_resuming_existing_runs(tmp_path):
    out = tmp_path / 'run'
    (recording,) = given('walk.mcap', '--out', out, '--image', '/a b')
    assert sources_of({recording: 24}, 0.25) == (
        f'bag:walk.mcap?part=train&image=/a%20b&depth_frame=same&every=1&held_out=20&'
        f'cache={out}/frames@0.75,worlds@0.25'
    )


def test_bags_and_folders_of_frames_are_distinguished(bag, labelled, tmp_path):
    assert kind_of(bag) == kind_of(bag / 'sample_bag.mcap') == 'bag'
    assert kind_of(labelled) == kind_of(labelled / '000') == 'frames'
    assert kind_of(tmp_path / 'nothing.mcap') == 'bag'
    bare = tmp_path / 'bare'
    bare.mkdir()
    with pytest.raises(TrainError, match=r'bare is not a bag .*no <name>/meta\.json'):
        kind_of(bare)
    shutil.copy(bag / 'sample_bag.mcap', bare)  # its metadata.yaml was lost
    assert kind_of(bare) == 'bag'
    shutil.copytree(labelled / '000', bare / '000')
    with pytest.raises(TrainError, match='both a recording and labelled frames'):
        kind_of(bare)


def test_each_bag_has_its_own_folder_in_any_order(tmp_path):
    def folders(*names: str) -> dict[str, Path]:
        recordings = given(*names, '--out', tmp_path / 'out')
        return {str(r.path): r.options['cache'] for r in recordings}

    one, two = str(tmp_path / 'a' / 'walk.mcap'), str(tmp_path / 'b' / 'walk.mcap')
    both = folders(one, two)
    assert both == folders(two, one) and both[one] != both[two]
    assert folders(one, '--judge', two) == {one: tmp_path / 'out' / 'frames', two: both[two]}
    assert len(folders(one, '/' + 'x' * 250)['/' + 'x' * 250].name) < 64


def test_frames_of_several_cameras_are_counted(labelled, tmp_path):
    folder = Path(shutil.copytree(labelled, tmp_path / 'mixed'))
    meta = json.loads((folder / '001' / 'meta.json').read_text())
    (folder / '001' / 'meta.json').write_text(json.dumps({**meta, 'fx': 50.0}))
    (folder / '002' / 'meta.json').write_text('{}')
    (recording,) = given(folder, '--out', tmp_path / 'out')
    train, held = recording.open('train'), recording.open('held_out')
    found = cameras_of(recording, train, held)
    assert {camera.fx: count for camera, count in found.items()} == {40.0: 2, 50.0: 1}
    for path in folder.glob('*/meta.json'):
        path.write_text('{}')
    with pytest.raises(TrainError, match=r"frames 000: .*meta.json has no 'fx'"):
        cameras_of(recording, train, held)
