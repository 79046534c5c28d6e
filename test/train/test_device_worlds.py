# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Worlds on the training device: the robot's input, identical after a resume."""

from __future__ import annotations

import dataclasses
import sys
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_set import write_set

from dmd_ros.core.preprocess import full_view, prepare
from train.batch_image import gaussian_blur
from train.config import WORLD_KINDS, TrainConfig, make_config
from train.device_worlds import DeviceWorlds
from train.errors import TrainError
from train.feed import Feed, split
from train.loss import Batch
from train.photometric import Photometric, draw_photometric, photometric, photometric_batch
from train.processes import Processes
from train.worlds import parts as parts_module
from train.worlds.batch import renderer, unpacked
from train.worlds.generate import KINDS
from train.worlds.parts import WorldParts
from train.worlds.render.sensor import expose
from train.worlds.render.sensor_batch import expose_batch

CPU = torch.device('cpu')
SIZE = (32, 48)
SETTINGS = (
    'worlds_on=device', 'sizes=32x48', 'batch=8', 'first_parts=1', 'store_parts=2', 'workers=0',
    'kinds=tabletop=1', 'reuse=1',
)  # fmt: skip


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ('train.device_worlds', 'train.worlds.parts'):
        monkeypatch.setattr(f'{module}.FRAMES', 2 * parts_module.VIEWS)


def config(*more: str) -> TrainConfig:
    return make_config('micro', [*SETTINGS, *more])


def equal(one: Batch, other: Batch) -> bool:
    names = [field.name for field in dataclasses.fields(Batch)]
    return all(torch.equal(getattr(one, n), getattr(other, n)) for n in names)


def test_batches_are_a_function_of_their_number() -> None:
    unbroken = DeviceWorlds(config(), CPU)
    batches = [unbroken.batch(n) for n in range(6)]
    assert unbroken.wanted(5) > 3  # older parts have been overwritten by then
    for number in (3, 5):
        assert equal(DeviceWorlds(config(), CPU).batch(number), batches[number])
    assert not equal(batches[4], batches[5])


@pytest.mark.parametrize('sizes', ['32x48', '32x48@2,32x32@1'])
@pytest.mark.parametrize('world', [1, 2])
def test_resumed_at_any_batch(sizes: str, world: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames in a store and their places; each frame is identified by its lens."""

    def build(parts: WorldParts, number: int) -> parts_module.Part:
        lenses = number + np.arange(frames, dtype=np.float32) / frames
        return parts_module.Part(number, parts.size_of(number), {}, lenses, [])

    def render(
        _: object, part: parts_module.Part, __: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        picture = torch.zeros((frames, 3, *part.size), dtype=torch.uint8)
        return picture, torch.ones((frames, *part.size)).half()

    frames = 2 * parts_module.VIEWS
    monkeypatch.setattr(WorldParts, '__getitem__', build)
    monkeypatch.setattr('train.device_worlds.picture_and_depth', render)
    settings = config(f'sizes={sizes}', 'first_parts=2', 'store_parts=3', 'batch=16')
    unbroken = DeviceWorlds(settings, CPU, 1 % world, world)
    seen = [unbroken.batch(n).tan_half_vfov for n in range(40)]
    assert len(torch.cat(seen).unique()) > 100
    for number in range(40):
        resumed = DeviceWorlds(settings, CPU, 1 % world, world)
        assert torch.equal(resumed.batch(number).tan_half_vfov, seen[number]), number


def test_picture_depth_and_lens_are_of_one_frame_mirrored_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Colours encode a pixel's column, row and frame, which determine depth and lens."""
    frames, (height, width) = 2 * parts_module.VIEWS, SIZE
    lenses = np.linspace(0.5, 0.6, frames, dtype=np.float32)
    column, row = torch.arange(width), torch.arange(height)[:, None]

    def build(parts: WorldParts, number: int) -> parts_module.Part:
        return parts_module.Part(number, SIZE, {}, lenses, [])

    def render(*_: object) -> tuple[torch.Tensor, torch.Tensor]:
        picture = torch.zeros((frames, 3, *SIZE), dtype=torch.uint8)
        picture[:, 0], picture[:, 1] = column, row
        picture[:, 2] = torch.arange(frames)[:, None, None]
        return picture, (1 + column + row / 32).half().expand(frames, -1, -1)

    monkeypatch.setattr(WorldParts, '__getitem__', build)
    monkeypatch.setattr('train.device_worlds.picture_and_depth', render)
    settings = config('batch=32', 'photometric=0')
    batch = DeviceWorlds(settings, CPU).batch(0)
    columns, rows, numbers = ((batch.rgb * 0.5 + 0.5) * 255).round().unbind(1)
    expected = 2 * torch.log((1 + columns + rows / 32) / 0.1) / np.log(800) - 1
    torch.testing.assert_close(batch.code[:, 0], expected, atol=1e-5, rtol=0)
    assert np.array_equal(batch.tan_half_vfov, lenses[numbers[:, 0, 0].long()])
    assert set(columns[:, 0, 0].tolist()) == {0, width - 1}
    assert rows[:, 0].max() == 0
    coloured = DeviceWorlds(dataclasses.replace(settings, photometric=1.0), CPU).batch(0)
    assert torch.equal(coloured.code, batch.code)
    assert not torch.equal(coloured.rgb, batch.rgb)


def test_a_frame_is_reused_as_often_as_set_and_sizes_share_the_store() -> None:
    settings = config('sizes=32x48@2,32x32@1', 'first_parts=2', 'store_parts=3', 'reuse=5')
    worlds = DeviceWorlds(settings, CPU)
    part = 2 * parts_module.VIEWS
    for count in (0, 1, 4):
        first = -(-count * 5 * part // settings.batch)  # parts due after that many draws
        assert worlds.wanted(first) == 2 + count
    assert [len(worlds._store(size).rgb) for size in settings.size_list] == [2, 1]


def test_kinds_of_worlds_are_respected() -> None:
    assert set(WORLD_KINDS) == set(KINDS)


def test_processes_render_different_worlds() -> None:
    batches = [DeviceWorlds(config(), CPU, rank, 2).batch(0) for rank in (0, 1)]
    assert [len(batch.rgb) for batch in batches] == [4, 4]
    assert not torch.equal(batches[0].rgb, batches[1].rgb)
    assert not torch.equal(batches[0].noise, batches[1].noise)
    whole = torch.cat([batch.t for batch in batches])
    assert torch.equal(whole, DeviceWorlds(config(), CPU).batch(0).t)


def test_an_example_equals_the_robots_input() -> None:
    """Without augmentation the picture is the robot's input of the same frame, bit for bit."""
    settings = config('flip=false', 'photometric=0')
    batch = DeviceWorlds(settings, CPU).batch(0)
    part = WorldParts(0, (SIZE,), (1.0,), {'tabletop': 1.0}, '')[0]
    colour, depth = renderer('', CPU)(part)
    contract = settings.contract()
    for i in range(len(batch.rgb)):
        found = int(np.argmin([abs(t - batch.tan_half_vfov[i]) for t in part.tan_half_vfov]))
        back = ((batch.rgb[i] * 0.5 + 0.5) * 255.0).round().byte().permute(1, 2, 0).numpy()
        frame = parts_module.Worlds(
            0, parts_module.WorldConfig(size=SIZE, views=parts_module.VIEWS,
                                        kinds={'tabletop': 1.0}),
        ).frame(found)  # fmt: skip
        view = full_view(frame.camera, contract)
        assert np.array_equal(prepare(back, view, contract)[0], batch.rgb[i].numpy())
        expected = np.log(np.clip(depth[found].half().float().numpy(), 0.1, 80.0) / 0.1)
        expected = expected * 2.0 / np.log(800.0) - 1.0
        assert np.allclose(batch.code[i, 0], expected, atol=1e-5)
    assert colour.shape == (12, *SIZE, 3)


def test_packed_scenes_equal_the_scenes() -> None:
    worlds = WorldParts(3, (SIZE,), (1.0,), None, '')
    part = worlds[1]
    for i, scene in enumerate(unpacked(part.packed)):
        frame = worlds._worlds[SIZE].frame(len(part.sensors) + i)
        assert all(np.array_equal(a, b) for a, b in zip(scene, frame.arrays[:6], strict=True))


def test_sensor_of_a_batch_matches_the_sensor_of_a_frame() -> None:
    part = WorldParts(2, ((64, 96),), (1.0,), {'indoor': 1.0}, '')[0]
    colour, _ = renderer('', CPU)(part)
    quiet = [dataclasses.replace(draw, level=1e-9) for draw in part.sensors]
    batch = expose_batch(colour, quiet, torch.Generator().manual_seed(0))
    for i, draw in enumerate(quiet):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr('train.worlds.render.sensor.draw_sensor', lambda rng, draw=draw: draw)
            alone = expose(colour[i].numpy(), np.random.default_rng(0))
        apart = np.abs(batch[i].permute(1, 2, 0).numpy().astype(int) - alone)
        assert np.percentile(apart, 99) <= 3 and apart.mean() < 0.6


@pytest.mark.parametrize('noisy', [False, True])
def test_photometric_batch_matches_single_pictures(
    noisy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same draws and the same noise; jpeg applies to single pictures only."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (30, 24, 32, 3), np.uint8)
    grain = torch.randn(30, 3, 24, 32)
    drawn = draw_photometric(rng, 30, 1.0)
    drawn = dataclasses.replace(drawn, noise=noisy * drawn.noise, jpeg=np.zeros(30, np.int64))
    kinds = set(zip(drawn.grey > 0, drawn.blur > 0, strict=True))
    assert len(kinds) == 4  # grey, blurred, both, neither
    monkeypatch.setattr('train.photometric.draw_photometric', lambda *_: drawn)
    monkeypatch.setattr(torch, 'randn', lambda *_, **__: grain)
    images = torch.from_numpy(rgb.transpose(0, 3, 1, 2).copy())
    batch = photometric_batch(rng, images, 1.0, torch.Generator())
    for i in range(30):
        fields = dataclasses.asdict(drawn).items()
        one = Photometric(**{name: values[i : i + 1] for name, values in fields})
        monkeypatch.setattr('train.photometric.draw_photometric', lambda *_, one=one: one)
        source = SimpleNamespace(standard_normal=lambda *_, i=i: grain[i].permute(1, 2, 0).numpy())
        apart = batch[i].permute(1, 2, 0).numpy().astype(int) - photometric(source, rgb[i], 1.0)
        assert np.abs(apart).max() <= 3
        assert abs(apart.mean()) < 0.2  # truncation instead of rounding would give half a level


def test_blur_keeps_flat_pictures_and_skips_sigma_zero() -> None:
    images = torch.rand(2, 3, 16, 20)
    images[0] = 0.25
    blurred = gaussian_blur(images, torch.tensor([1.0, 0.0]), radius=4)
    assert torch.allclose(blurred[0], images[0], atol=1e-6)
    assert torch.allclose(blurred[1], images[1], atol=1e-6)


def test_a_share_of_the_batch_comes_from_other_sources(tmp_path: Path) -> None:
    folder = write_set(tmp_path / 'set', 3)
    mixed = config(f'sources=worlds@0.75,folder:{folder}@0.25')
    rendered, made = split(mixed, 1)
    assert rendered is not None and made is not None
    assert (rendered.batch, made.batch, made.sources) == (6, 2, f'folder:{folder}@0.25')
    feed = Feed(mixed, Processes(0, 1, CPU))
    batches = list(islice(feed(0), 2))
    assert [len(batch.rgb) for batch, _ in batches] == [8, 8]
    assert equal(next(feed(1))[0], batches[1][0])
    few_worlds = config(f'sources=worlds@0.01,folder:{folder}@0.99')
    assert [part and part.batch for part in split(few_worlds, 2)] == [2, 6]
    with pytest.raises(TrainError, match=r'is one sample for each process.*worlds_on=workers'):
        split(mixed, mixed.batch)
    assert split(config('sources=worlds@1'), 1)[1] is None
    on_workers = dataclasses.replace(mixed, worlds_on='workers', kinds='')
    assert split(on_workers, 1) == (None, on_workers)
    with pytest.raises(TrainError, match='batch=8 must be a multiple of the 3 processes'):
        Feed(mixed, Processes(0, 3, CPU))


def test_a_gpu_without_numba_cuda_reports_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'train.worlds.render.launch_gpu', None)
    with pytest.raises(TrainError, match='train-gpu'):
        renderer('', torch.device('cuda'))


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        ('worlds_on=gpu', 'allowed'),
        ('reuse=0.5', 'reuse=0.5 must be >= 1'),
        ('sizes=32x48@x', 'not a number'),
        ('sizes=32x48@0', 'must be > 0'),
        ('sizes=32x48@nan', 'must be > 0'),
        ('kinds=indoor=-1', 'must be > 0'),
        ('kinds=indor=1', "kinds='indor'; allowed"),
        ('worlds_on=workers', 'needs worlds_on=device'),
        ('first_parts=0', 'must be >= 1'),
        ('sizes=32x48,32x32', 'first_parts=1 must be >= the number of sizes, 2'),
    ],
)
def test_settings_that_cannot_work(setting: str, message: str) -> None:
    with pytest.raises(TrainError, match=message):
        config(setting)
