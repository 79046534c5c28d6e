# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of a model that knows the truth, compared with manually computed values."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from oracle_model import CONTRACT, grey_from_depth, write_oracle
from pictures import write

from dmd_ros.core import depth_codec
from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from dmd_ros.loading import load_estimator
from train import benchmark
from train.errors import TrainError

# min, max, crop, KB crop, as in the papers' evaluation protocol.
EXPECTED = {
    'nyu': (1e-3, 10.0, 'eigen', False),
    'sunrgbd': (0.0, 8.0, 'eigen', False),
    'ibims': (0.0, 10.0, 'eigen', False),
    'diode_indoor': (1e-3, 10.0, 'eigen', False),
    'diode_outdoor': (1e-3, 80.0, 'garg', False),
    'hypersim': (1e-3, 80.0, 'eigen', False),
    'kitti': (1e-3, 80.0, 'garg', True),
    'vkitti2': (1e-3, 80.0, 'garg', True),
    'ddad': (1e-3, 80.0, 'garg', False),
    'diml_outdoor': (2.0, 80.0, 'garg', False),
}


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> Path:
    return write_oracle(tmp_path_factory.mktemp('model') / 'oracle.onnx')


@pytest.fixture
def estimator(model):
    return load_estimator(model, backend='onnxruntime', threads=1)


def metres_of(level: int) -> float:
    """Return the oracle's depth for a grey level."""
    code = np.array([2.0 * level / 255.0 - 1.0], np.float32)
    return float(depth_codec.decode(code, CONTRACT)[0])


def write_ibims(root: Path, levels: tuple[int, ...], truth_m: float) -> Path:
    """Write grey pictures with flat truth; outside of Eigen's crop the truth is wrong by far."""
    names = [f'room_{i:02d}' for i in range(len(levels))]
    root.mkdir(exist_ok=True)
    (root / 'imagelist.txt').write_text('\n'.join(names))
    for name, level in zip(names, levels, strict=True):
        write(root / 'rgb' / f'{name}.png', np.full((480, 640, 3), level, np.uint8))
        codes = np.full((480, 640), 65535, np.uint16)
        codes[:] = round(9.9 / 50 * 65535)
        codes[45:471, 41:601] = round(truth_m / 50 * 65535)
        codes[60, 60] = round(12 / 50 * 65535)  # inside the crop, but beyond the range
        write(root / 'depth' / f'{name}.png', codes)
        for mask in ('mask_invalid', 'mask_transp'):
            write(root / mask / f'{name}.png', np.full((480, 640), 255, np.uint8))
        (root / 'calib').mkdir(exist_ok=True)
        (root / 'calib' / f'{name}.txt').write_text('550.4,548.6,325.6,241.0')
    return root


@pytest.mark.parametrize('name', sorted(EXPECTED))
def test_protocols_agree_with_the_papers(name):
    protocol = benchmark.load_protocol(name)
    found = (protocol.min_m, protocol.max_m, protocol.crop, protocol.kb_crop)
    assert found == EXPECTED[name]
    assert protocol.flip and '2302.12288' in protocol.reference
    assert 'ZoeD-NK' in protocol.rows
    if name not in ('nyu', 'kitti'):
        assert set(protocol.rows) == {'ZoeD-NK', 'DMD-NK', 'DMD-MIX'}
        assert all(rel is not None for _, rel, _ in protocol.rows.values())


def test_all_protocols_are_known():
    assert benchmark.protocol_names() == sorted(EXPECTED)


def test_crops():
    eigen = benchmark.crop_mask('eigen', (480, 640))
    assert eigen.sum() == 426 * 560
    assert eigen[45, 41] and eigen[470, 600] and not eigen[44, 41] and not eigen[470, 601]
    garg = benchmark.crop_mask('garg', (352, 1216))
    rows, columns = np.nonzero(garg)
    assert (rows.min(), rows.max() + 1) == (143, 349)
    assert (columns.min(), columns.max() + 1) == (43, 1172)
    assert benchmark.crop_mask('none', (3, 4)) is None


def test_kb_crop_keeps_the_bottom_centre_and_moves_the_camera():
    rgb = np.zeros((375, 1242, 3), np.uint8)
    rgb[23, 13] = 255
    depth = np.arange(375 * 1242, dtype=np.float32).reshape(375, 1242)
    camera = Camera(720, 721, 609.5, 172.5, 1242, 375)
    cut = benchmark.kb_cropped(RawSample(rgb, depth, camera))
    assert cut.rgb.shape == (352, 1216, 3) and cut.rgb[0, 0, 0] == 255
    assert cut.depth[-1, 0] == depth[374, 13]
    assert (cut.camera.cx, cut.camera.cy) == (596.5, 149.5)
    assert cut.camera.tan_half_vfov == pytest.approx(352 / (2 * 721))
    with pytest.raises(TrainError, match='smaller than the KB crop'):
        benchmark.kb_cropped(RawSample(rgb[:300], depth[:300], camera))


def test_bilinear_keeps_the_corners():
    depth = np.array([[1.0, 3.0], [5.0, 7.0]], np.float32)
    np.testing.assert_allclose(
        benchmark.bilinear(depth, (3, 3)), [[1, 2, 3], [3, 4, 5], [5, 6, 7]]
    )
    assert benchmark.bilinear(depth, (2, 2)) is depth


def test_scaling_the_input_keeps_the_field_of_view():
    camera = Camera(1000, 1001, 967.5, 607.5, 1936, 1216)
    rgb = np.full((1216, 1936, 3), 90, np.uint8)
    small, squashed = benchmark.scaled(rgb, camera, (352, 1216))
    assert small.shape == (352, 1216, 3)
    assert squashed.tan_half_vfov == pytest.approx(camera.tan_half_vfov)


def test_scores_equal_hand_computed_values(tmp_path, estimator):
    levels, truth = (120, 150), 3.0
    root = write_ibims(tmp_path / 'ibims', levels, truth)
    protocol = benchmark.load_protocol('ibims')
    reader = benchmark.open_reader(protocol, root)
    scores, broken = benchmark.evaluate(estimator, reader, protocol, range(len(reader)))
    assert not broken
    for score, level in zip(scores, levels, strict=True):
        estimate = metres_of(level)
        assert score.pixels == 426 * 560 - 1
        assert score.abs_rel == pytest.approx(abs(estimate - truth) / truth, rel=1e-3)
        assert score.rmse == pytest.approx(abs(estimate - truth), rel=1e-3)
        assert score.log10 == pytest.approx(abs(math.log10(estimate / truth)), rel=1e-3)
        ratio = max(estimate / truth, truth / estimate)
        assert score.delta1 == float(ratio < 1.25)


def test_predictions_are_clamped_to_the_range(tmp_path, estimator):
    root = write_ibims(tmp_path / 'ibims', (250,), 3.0)
    assert metres_of(250) > 60
    protocol = benchmark.load_protocol('ibims')
    scores, _ = benchmark.evaluate(estimator, benchmark.open_reader(protocol, root), protocol, [0])
    assert scores[0].rmse == pytest.approx(10.0 - 3.0, rel=1e-3)


def test_the_mirrored_estimate_is_mirrored_back(tmp_path, estimator):
    truth = np.full((96, 128), 2.0, np.float32)
    truth[:, 64:] = 6.0
    sample = RawSample(grey_from_depth(truth), truth, Camera(100, 100, 63.5, 47.5, 128, 96))
    protocol = benchmark.load_protocol('ibims')
    whole = benchmark.Protocol(**{**vars(protocol), 'crop': 'none'})
    score = benchmark.judge_sample(estimator, sample, whole)
    # Only a few columns at the edge blur; without mirroring back, the error is a factor of 3.
    assert score.abs_rel < 0.05 and score.delta1 > 0.9


def test_input_is_scaled_and_evaluated_at_full_size(estimator):
    truth = np.full((768, 1024), metres_of(140), np.float32)
    rgb = np.full((768, 1024, 3), 140, np.uint8)
    sample = RawSample(rgb, truth, Camera(886.81, 927.06, 512, 384, 1024, 768))
    protocol = benchmark.load_protocol('diode_indoor')
    for native in (False, True):
        score = benchmark.judge_sample(estimator, sample, protocol, native)
        assert score.pixels == 426 * 560
        assert score.abs_rel < 1e-4


def test_command_line(tmp_path, model, capsys):
    root = write_ibims(tmp_path / 'ibims', (120, 150, 150), 3.0)
    out = tmp_path / 'out'
    common = ['--model', str(model), '--backend', 'onnxruntime', '--threads', '1', '--quiet']
    where = ['--protocol', 'ibims', '--data', str(root), '--out', str(out)]
    assert benchmark.main([*where, *common, '--every', '2']) == 0
    result = json.loads((out / 'ibims.json').read_text())
    mean = sum(abs(metres_of(level) - 3.0) / 3.0 for level in (120, 150)) / 2
    assert result['score']['abs_rel'] == pytest.approx(mean, rel=1e-3)
    assert result['samples'] == 3 and result['score']['frames'] == 2
    text = (out / 'ibims.md').read_text()
    for row in ('ZoeD-NK', 'DMD-NK', 'DMD-MIX', 'oracle'):
        assert row in text
    assert '0.118' in text and f'{mean:.3f}' in text and '2 of 3' in text
    capsys.readouterr()
    assert benchmark.main(['--table', str(out / 'ibims.json')]) == 0
    assert 'oracle' in capsys.readouterr().out


def test_kitti_protocol_end_to_end(tmp_path, estimator):
    """Truth is right only in the intersection of the crops, and wrong by far everywhere else."""
    drive = '2011_09_26_drive_0002_sync'
    day = tmp_path / 'raw' / '2011_09_26'
    write(day / drive / 'image_02' / 'data' / '01.png', np.full((375, 1242, 3), 160, np.uint8))
    codes = np.full((375, 1242), 256 * 70, np.uint16)
    top, left = 375 - 352, (1242 - 1216) // 2
    right_code = round(metres_of(160) * 256)
    codes[top + 143 : top + 349, left + 43 : left + 1172] = right_code
    truth = f'{drive}/proj_depth/groundtruth/image_02/01.png'
    write(tmp_path / 'depth' / 'val' / truth, codes)
    row = 'P_rect_02: 721.5 0 609.5 0 0 721.5 172.8 0 0 0 1 0\n'
    (day / 'calib_cam_to_cam.txt').write_text(row)
    listed = tmp_path / 'eigen.txt'
    listed.write_text(f'2011_09_26/{drive}/image_02/data/01.png {truth} 721.5\n')
    protocol = benchmark.load_protocol('kitti')
    with pytest.raises(TrainError, match='needs the split file: --list'):
        benchmark.open_reader(protocol, tmp_path)
    reader = benchmark.open_reader(protocol, tmp_path, listed)
    scores, _ = benchmark.evaluate(estimator, reader, protocol, [0])
    assert scores[0].pixels == (349 - 143) * (1172 - 43)
    assert scores[0].abs_rel < 2e-3


def test_broken_samples_are_named_and_too_many_stop(tmp_path, estimator):
    root = write_ibims(tmp_path / 'ibims', (120, 130, 140), 3.0)
    protocol = benchmark.load_protocol('ibims')
    (root / 'depth' / 'room_01.png').write_bytes(b'')
    reader = benchmark.open_reader(protocol, root)
    scores, broken = benchmark.evaluate(estimator, reader, protocol, range(3))
    assert len(scores) == 2 and 'room_01.png' in broken[0]
    (root / 'depth' / 'room_02.png').unlink()
    with pytest.raises(TrainError, match=r'2 samples are broken.*room_02'):
        benchmark.evaluate(estimator, reader, protocol, range(3))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--protocol', 'nuy', '--data', '.'], "protocol 'nuy' is unknown; allowed: ddad"),
        (['--protocol', 'ibims', '--data', 'nowhere'], 'nowhere does not exist; expected'),
        (['--protocol', 'ibims', '--data', '.', '--list', 'x'], 'takes no --list'),
        (['--protocol', 'kitti', '--data', '.'], 'needs the split file'),
        ([], 'specify --protocol NAME and --data DIR'),
        (['--protocol', 'ibims', '--data', '.', '--out', __file__], 'choose another --out'),
    ],
)
def test_errors_end_in_one_line(arguments, message, capsys):
    assert benchmark.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_protocol_files_are_checked(tmp_path):
    path = tmp_path / 'own.yaml'
    path.write_text('title: x\nspeed: 3\n')
    with pytest.raises(TrainError, match=r"missing keys \['crop'.*unknown keys \['speed'\]"):
        benchmark.load_protocol(str(path))
    text = (benchmark.PROTOCOLS / 'ibims.yaml').read_text()
    path.write_text(text.replace('crop: eigen', 'crop: round'))
    with pytest.raises(TrainError, match="crop='round'; allowed: eigen, garg, none"):
        benchmark.load_protocol(str(path))
    path.write_text(text.replace('input_size:', 'input_size: 5 #'))
    with pytest.raises(
        TrainError, match=r"own.yaml is not a protocol \('int' object is not iterable\)"
    ):
        benchmark.load_protocol(str(path))
    path.write_text('title: [a\n')
    with pytest.raises(TrainError, match=r'own.yaml is not a protocol \(while parsing'):
        benchmark.load_protocol(str(path))


@pytest.mark.parametrize('text', ['[1]', '{"score": {}}', 'no json'])
def test_a_file_that_is_not_a_result_is_named(tmp_path, text, capsys):
    path = tmp_path / 'results.json'
    path.write_text(text)
    assert benchmark.main(['--table', str(path)]) == 2
    assert f'error: {path} is not a result of this command' in capsys.readouterr().err


def test_the_papers_protocols_reject_floor_scaling(capsys):
    """Their scores use a model's own scale, and some the average with the mirrored picture."""
    with pytest.raises(SystemExit):
        benchmark.main(['--protocol', 'ibims', '--data', '.', '--camera-height', '1.5'])
    assert 'unrecognized arguments: --camera-height' in capsys.readouterr().err
