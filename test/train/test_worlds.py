# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.errors import TrainError
from train.worlds import KINDS, Assets, WorldConfig, Worlds, bench, held_out, sheet
from train.worlds.cache import WorldCache, claim_folder, main, write_shard
from train.worlds.kernels import layout as L
from train.worlds.materials.table import MaterialTable
from train.worlds.sheet import HEIGHT, real_pairs
from train.worlds.trajectory import trajectory

SMALL = (48, 64)


def frames(seed: int, indices: Iterable[int], kind: str = '') -> list[RawSample]:
    worlds = Worlds(seed, WorldConfig(size=SMALL, kinds={kind: 1.0} if kind else KINDS))
    return [worlds[index] for index in indices]


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_frames_are_valid(kind: str) -> None:
    for sample in frames(5, range(6), kind):
        assert sample.rgb.shape == (*SMALL, 3)
        assert sample.rgb.dtype == np.uint8
        assert sample.depth.shape == SMALL
        assert sample.depth.dtype == np.float32
        assert not np.isnan(sample.depth).any()
        assert sample.depth.min() > 0.02
        assert (sample.camera.height, sample.camera.width) == SMALL
        assert (
            24.0 < 2 * np.degrees(np.arctan(sample.camera.tan_half_vfov)) < 101.0
            or kind == 'outdoor'
        )
        assert sample.rgb.std() > 4.0
    if kind == 'tabletop':
        assert np.median(sample.depth) < 3.0


def test_sky_is_infinite_and_rooms_are_closed() -> None:
    outdoor = [s.depth for s in frames(5, range(8), 'outdoor')]
    assert any(np.isposinf(d).any() for d in outdoor)
    indoor = [s.depth for s in frames(5, range(8), 'indoor')]
    assert all(np.isfinite(d).all() for d in indoor)


def test_frame_depends_on_seed_and_index_only() -> None:
    whole = frames(11, range(7))
    for one, other in zip(whole, reversed(frames(11, reversed(range(7)))), strict=True):
        assert np.array_equal(one.rgb, other.rgb)
        assert np.array_equal(one.depth, other.depth)
        assert one.camera == other.camera
    assert not np.array_equal(whole[0].rgb, frames(12, [0])[0].rgb)


def test_held_out_seeds_are_never_training_seeds() -> None:
    assert held_out(0) > 2**32 - 1
    assert not np.array_equal(frames(held_out(3), [0])[0].rgb, frames(3, [0])[0].rgb)
    with pytest.raises(TrainError, match=r'must be in \[0, 2\*\*32\)'):
        held_out(held_out(3))


def test_drawn_sizes_keep_the_area_within_aligned_blocks() -> None:
    worlds = Worlds(2, WorldConfig(size=None, area=48 * 64, stride=8))
    sizes = {worlds.size(block * 32) for block in range(30)}
    assert len(sizes) >= 3
    assert all(abs(h * w / (48 * 64) - 1) < 0.3 for h, w in sizes)
    assert all(worlds.size(i) == worlds.size(0) for i in range(32))
    wide = next(i for i in range(0, 960, 32) if worlds.size(i)[1] > 2.5 * worlds.size(i)[0])
    assert worlds.kind(wide // 4) == 'outdoor'


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(TrainError, match=r'unknown kinds .*moon.*allowed: indoor'):
        Worlds(0, WorldConfig(kinds={'moon': 1.0}))


def test_missing_assets_folder_reports_the_expected_layout(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match='expects DIR with textures'):
        Assets.load(tmp_path)
    (tmp_path / 'textures').mkdir()
    (tmp_path / 'textures' / 'licences.json').write_text('{}')
    with pytest.raises(TrainError, match=r'textures has no <kind>/\*\.jpg; kinds: asphalt'):
        Assets.load(tmp_path)
    for wrong in ('{', '[1]', '["asphalt"]', '1'):
        (tmp_path / 'textures' / 'licences.json').write_text(wrong)
        with pytest.raises(TrainError, match=r'cannot read .*licences\.json: '):
            Assets.load(tmp_path)
    (tmp_path / 'textures' / 'brick').mkdir()
    cv2.imwrite(str(tmp_path / 'textures' / 'brick' / 'a.jpg'), np.zeros((8, 8, 3), np.uint8))
    for entry in ('"CC0"', '{"size_m": 1.2}', '{"size_m": ["a"]}', '{"size_m": [NaN, 1]}'):
        (tmp_path / 'textures' / 'licences.json').write_text(f'{{"brick/a.jpg": {entry}}}')
        with pytest.raises(TrainError, match=r'brick/a\.jpg is .*\[1\.2, 1\.2\]} is expected'):
            Assets.load(tmp_path)
    (tmp_path / 'textures' / 'licences.json').write_text('{"brick/a.jpg": {"size_m": [2, 1]}}')
    assets = Assets.load(tmp_path)
    assert assets.metres == ((2.0, 1.0),)
    materials = MaterialTable(np.random.default_rng(0), assets, photo_share=1.0)
    assert materials.photo('brick') is not None
    row = materials.array()[-1]
    assert row[L.M_SX] == 2.0 * row[L.M_SY]


def test_a_tile_of_unknown_size_keeps_its_shape(tmp_path: Path) -> None:
    (tmp_path / 'textures' / 'brick').mkdir(parents=True)
    (tmp_path / 'textures' / 'licences.json').write_text('{}')
    cv2.imwrite(str(tmp_path / 'textures' / 'brick' / 'a.jpg'), np.zeros((16, 32, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'textures' / 'brick' / 'b.jpg'), np.zeros((16, 16, 3), np.uint8))
    wide, square = Assets.load(tmp_path).metres
    assert square == (1.2, 1.2)
    assert wide[0] == pytest.approx(2.0 * wide[1])
    assert wide[0] * wide[1] == pytest.approx(1.2 * 1.2)


@pytest.mark.parametrize('name', ['brick/a.jpg', 'hdri/sky.jpg'])
def test_a_truncated_photograph_is_refused(tmp_path: Path, name: str) -> None:
    """Otherwise a tile would be half grey, and a sky silently left out."""
    textures = tmp_path / 'textures'
    grain = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for kept in ('brick/a.jpg', 'hdri/sky.jpg'):
        (textures / kept).parent.mkdir(parents=True)
        cv2.imwrite(str(textures / kept), grain)
    (textures / 'licences.json').write_text('{}')
    assert Assets.load(tmp_path).panos.shape == (1, 512, 1024, 3)
    content = (textures / name).read_bytes()
    (textures / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(TrainError, match=rf'{name} is not a readable picture \(.*cut off'):
        Assets.load(tmp_path)


@pytest.mark.parametrize(
    ('main', 'options'),
    [
        (bench.main, ()),
        (sheet.main, ('--out', 'out.png')),
        (main, ('--out', 'out', '--frames', '1')),
    ],
)
def test_commands_refuse_a_wrong_folder_of_assets_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    main: Callable[[Sequence[str]], int],
    options: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(['--assets', str(tmp_path), *options]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith('error: ') and printed.err.count('\n') == 1
    assert '--assets expects DIR with textures' in printed.err and not printed.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        (['--count', '0'], 'no pictures to show; increase --count'),
        (['--count', '1', '--width', '10'], '--width 10 is too narrow for a picture of'),
    ],
)
def test_an_impossible_sheet_is_refused_in_one_line(
    tmp_path: Path, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sheet.main(['--out', str(tmp_path / 's.png'), '--kind', 'tabletop', *options]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f'error: {reason}') and printed.count('\n') == 1


def test_a_sheet_is_refused_before_the_work_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out, reason in ((f'{__file__}/s.png', 'choose another --out'), ('s.txt', '.png or .jpg')):
        assert sheet.main(['--out', out, '--assets', 'nowhere']) == 1
        assert reason in capsys.readouterr().err
    out = tmp_path / 'new' / 's.png'
    assert sheet.main(['--out', str(out), '--kind', 'tabletop', '--count', '1']) == 0
    assert out.is_file()


def test_a_sheet_with_an_invalid_seed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sheet.main(['--out', 'unused.png', '--seed', '-1'])
    assert 'argument --seed: -1 must be >= 0' in capsys.readouterr().err


def test_bench_refuses_to_measure_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ('--workers', '--frames'):
        with pytest.raises(SystemExit):
            bench.main([option, '0'])
        assert f'argument {option}: 0 must be >= 1' in capsys.readouterr().err


def test_photographic_materials_are_used() -> None:
    folder = Path(os.environ.get('DMD_SHARED', '../shared')) / 'train'
    if not (folder / 'textures' / 'licences.json').is_file():
        pytest.skip(f'no photographic materials in {folder}')
    assets = Assets.load(folder)
    with_photos = Worlds(1, WorldConfig(size=SMALL), assets)[0]
    assert not np.array_equal(with_photos.rgb, frames(1, [0])[0].rgb)
    assert np.isfinite(with_photos.depth).any()


def test_cache_returns_the_written_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('train.worlds.cache.SHARD', 3)
    worlds = Worlds(4, WorldConfig(size=(24, 32)))
    for number in range(2):
        write_shard(tmp_path, number, worlds)
    cache = WorldCache(tmp_path)
    assert len(cache) == 6
    for index in (0, 4):
        assert np.array_equal(cache.load(index).rgb, worlds[index].rgb)
        assert cache.load(index).camera == worlds[index].camera
        assert np.allclose(cache.load(index).depth, worlds[index].depth, rtol=1e-3)
    with pytest.raises(TrainError, match='write some with'):
        WorldCache(tmp_path / 'nowhere')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--seed', '4294967296'], r'error: seed 4294967296 must be in [0, 2**32)'),
        (['--seed', '-1'], 'error: seed -1 must be in'),
        (['--kinds', 'moon=1'], "error: unknown kinds ['moon']; allowed: indoor"),
        (['--kinds', 'indoor=0'], "error: weights of kinds {'indoor': 0.0} must be numbers >= 0"),
        (['--kinds', 'indoor=-1,outdoor=2'], "error: weights of kinds {'indoor': -1.0, 'outdoor'"),
        (['--kinds', 'indoor=nan'], "error: weights of kinds {'indoor': nan} must be numbers"),
        (['--kinds', 'indoor=inf'], "error: weights of kinds {'indoor': inf} must be numbers"),
    ],
)
def test_a_cache_with_invalid_settings_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'cache'
    assert main(['--out', str(out), '--frames', '1', *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ('option', 'wrong', 'form'),
    [
        ('--size', '192', 'is not HEIGHTxWIDTH'),
        ('--size', '0x256', 'both must be >= 1'),
        ('--size', '10x1000000', 'allowed: up to 30000, either way'),
        ('--kinds', 'indoor', 'is not KIND=WEIGHT'),
    ],
)
def test_a_cache_with_a_malformed_size_or_kind_is_refused(
    option: str, wrong: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(['--out', str(tmp_path / 'unused'), '--frames', '1', option, wrong])
    printed = capsys.readouterr().err
    assert f"{option}: '{wrong}'" in printed and form in printed
    assert not (tmp_path / 'unused').exists()


def test_a_cache_that_outgrows_the_memory_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'unused'
    words = ['--size', '100000x100000', '--frames', '1', '--workers', '2', '--out', str(out)]
    assert main(words) == 1
    printed = capsys.readouterr().err
    assert re.fullmatch(
        r'error: --size 100000x100000: a worker keeps 512 frames in memory, 56320\.0 GB; '
        r'--workers 2 can use [\d.]+ GB; choose a smaller size, or fewer '
        r'--workers\n', printed
    )  # fmt: skip
    assert not out.exists()


def test_an_impossible_cache_folder_is_a_one_line_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['--out', f'{__file__}/cache', '--frames', '1']) == 1
    assert capsys.readouterr().err.startswith('error: ')


def test_a_cache_stopped_by_a_full_disk_can_be_restarted(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match=r'settings\.json'):
            claim_folder(tmp_path, {'seed': 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    claim_folder(tmp_path, {'seed': 1})
    with pytest.raises(TrainError, match=r'settings: {"seed": 1}, these are {"seed": 2}'):
        claim_folder(tmp_path, {'seed': 2})


def test_settings_of_another_program_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'settings.json').write_text('// of an editor\n{}')
    assert main(['--out', str(tmp_path), '--frames', '1']) == 1
    assert f'{tmp_path}/settings.json is damaged (Expecting value' in capsys.readouterr().err


def test_trajectory_poses_and_depth_agree() -> None:
    walk = list(trajectory(3, 5, size=(96, 128)))
    (first, pose_a), (second, pose_b) = walk[1], walk[2]
    rays = first.camera.rays()
    points = np.concatenate([rays * first.depth[..., None], first.depth[..., None]], -1).reshape(
        -1, 3
    )
    world = points @ pose_a.rotation.T + pose_a.position
    seen = (world - pose_b.position) @ pose_b.rotation
    u, v = project(second.camera, seen)
    ok = (u >= 0) & (v >= 0) & (u < 128) & (v < 96)
    there = second.depth[v[ok], u[ok]]
    error = np.abs(there - seen[ok, 2]) / there
    assert ok.mean() > 0.6
    assert np.median(error) < 0.01
    assert first.camera == second.camera


def project(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    u = np.round(camera.fx * points[:, 0] / points[:, 2] + camera.cx).astype(int)
    v = np.round(camera.fy * points[:, 1] / points[:, 2] + camera.cy).astype(int)
    return u, v


@pytest.mark.slow
def test_gpu_kernels_match_the_picture_of_the_cpu() -> None:
    """The CUDA simulator runs the launch file of the GPU on a tiny picture."""
    code = (
        'import numpy as np\n'
        'from dmd_ros.core.camera import Camera\n'
        'from train.worlds.render.assets import Assets\n'
        'from train.worlds.generate import build_world, random_source\n'
        'from train.worlds.render.launch import render_cpu\n'
        'from train.worlds.render.launch_gpu import GpuRenderer\n'
        'from train.worlds.render.pack import pack\n'
        'from train.worlds.render.view import scene_arrays\n'
        'camera = Camera(10., 10., 7.5, 5.5, 16, 12)\n'
        'frames = []\n'
        'for kind in ("tabletop", "outdoor"):\n'
        '    world = build_world(kind, random_source(1), Assets.none())\n'
        '    for view in range(2):\n'
        '        pose = world.pose(random_source(2, view), camera)\n'
        '        frames.append(scene_arrays(world.scene, camera, pose, Assets.none(), 3))\n'
        'render, packed = GpuRenderer(Assets.none()), pack(frames).arrays()\n'
        'render({**packed, "env": packed["env"][::-1].copy(),'
        ' "spans": packed["spans"][::-1].copy()}, 12, 16)\n'
        'gpu = [a.copy_to_host() for a in render(packed, 12, 16)]\n'
        'for i, arrays in enumerate(frames):\n'
        '    cpu = render_cpu(arrays, 12, 16)\n'
        '    assert np.array_equal(cpu[2], gpu[2][i])\n'
        '    assert np.allclose(cpu[1], gpu[1][i], rtol=1e-4)\n'
        '    alike = np.isclose(cpu[0], gpu[0][i], rtol=1e-3, atol=1e-4).all(axis=2)\n'
        # A shadow ray that grazes an edge may fall on either side of it.
        '    assert alike.mean() > 0.98, alike\n'
    )
    env = {**os.environ, 'NUMBA_ENABLE_CUDASIM': '1', 'NUMBA_DISABLE_JIT': '1'}
    done = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_sheet_shows_real_frames_beside_worlds(tmp_path: Path) -> None:
    (tmp_path / 'desk').mkdir()
    cv2.imwrite(str(tmp_path / 'desk' / 'rgb.png'), np.full((48, 64, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / 'desk' / 'depth.png'), np.full((48, 64), 1500, np.uint16))
    meta = {'fx': 60.0, 'fy': 60.0, 'cx': 31.5, 'cy': 23.5, 'width': 64, 'height': 48}
    (tmp_path / 'desk' / 'meta.json').write_text(json.dumps({**meta, 'scene': 'indoor'}))
    (picture,) = real_pairs(tmp_path)
    assert picture.shape == (2 * HEIGHT, round(HEIGHT * 64 / 48), 3)
    assert np.ptp(picture[HEIGHT:]) > 0
