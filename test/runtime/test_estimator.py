# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The estimator with a denoiser that knows the answer, and one that returns the noise."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from oracle_model import CAMERA, CONTRACT, Noisy, grey, grey_from_depth, write_oracle

from dmd_ros.core import depth_codec, diffusion, preprocess
from dmd_ros.core.camera import Camera
from dmd_ros.core.contract import Contract
from dmd_ros.core.errors import CoreError
from dmd_ros.estimator import DepthEstimator
from dmd_ros.runtime.ort_backend import OrtBackend

# Half a grey level, with 255 levels over the log range 0.1 .. 80 m.
HALF_LEVEL = (800 ** (0.5 / 255)) - 1


@pytest.fixture(scope='module')
def backend(tmp_path_factory: pytest.TempPathFactory) -> OrtBackend:
    return OrtBackend(write_oracle(tmp_path_factory.mktemp('model') / 'oracle.onnx'), threads=1)


def ramp_depth(camera: Camera = CAMERA) -> np.ndarray:
    yy, xx = np.mgrid[0 : camera.height, 0 : camera.width]
    return np.exp(0.2 + xx / camera.width + 1.1 * yy / camera.height).astype(np.float32)


@pytest.mark.parametrize('sampler', diffusion.SAMPLERS)
@pytest.mark.parametrize(('steps', 'samples'), [(1, 1), (1, 3), (2, 1), (4, 2), (64, 1)])
def test_the_oracle_s_depth_is_returned(
    backend: OrtBackend, steps: int, samples: int, sampler: str
) -> None:
    truth = ramp_depth()
    estimator = DepthEstimator(CONTRACT, backend, steps=steps, samples=samples, sampler=sampler)
    frame = estimator(grey_from_depth(truth), CAMERA)
    inner = (slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(frame.depth[inner], truth[inner], rtol=3 * HALF_LEVEL)
    assert frame.depth.dtype == np.float32
    assert frame.camera == CAMERA
    if samples == 1:
        assert frame.uncertainty is None
    else:
        assert frame.uncertainty is not None
        assert frame.uncertainty.shape == truth.shape
        assert frame.uncertainty.max() < 1e-4


def test_one_step_is_exact_to_the_last_grey_level(backend: OrtBackend) -> None:
    """No resize and no remaining noise: the network's size equals the picture's."""
    camera = Camera(50, 50, 31.5, 23.5, 64, 48)
    levels = np.arange(64, dtype=np.uint8)[None, :, None] * 3 + 20
    rgb = np.broadcast_to(levels, (48, 64, 3)).copy()
    frame = DepthEstimator(CONTRACT, backend, steps=1, samples=1)(rgb, camera)
    code = (levels[..., 0].astype(np.float64) / 255 - 0.5) / 0.5
    expected = 0.1 * 800.0 ** ((code + 1) / 2)
    np.testing.assert_allclose(frame.depth, np.broadcast_to(expected, (48, 64)), rtol=1e-5)


def test_the_ends_of_the_range_are_infinities(backend: OrtBackend) -> None:
    depth = np.full((96, 128), 3.0, np.float32)
    depth[:32], depth[64:] = 80.0, 0.1
    frame = DepthEstimator(CONTRACT, backend)(grey_from_depth(depth), CAMERA)
    assert np.isposinf(frame.depth[:30]).all()
    assert np.isfinite(frame.depth[34:62]).all()
    assert np.isneginf(frame.depth[66:]).all()
    assert not np.isnan(frame.depth).any()


def test_the_network_gets_the_conditioning_value_and_shapes() -> None:
    noisy = Noisy()
    DepthEstimator(CONTRACT, noisy, samples=3)(grey(), CAMERA)
    (feeds,) = noisy.feeds
    assert feeds['rgb'].shape == (3, 3, 48, 64)
    assert feeds['z'].shape == (3, 1, 48, 64)
    np.testing.assert_allclose(feeds['tan_half_vfov'], 96 / (2 * 101.0))
    np.testing.assert_array_equal(feeds['t'], np.ones(3))
    for value in feeds.values():
        assert value.dtype == np.float32


@pytest.mark.parametrize('rotation', preprocess.ROTATIONS)
def test_the_network_sees_a_turned_picture_upright_and_depth_stays_on_its_pixels(
    backend: OrtBackend, rotation: int
) -> None:
    upright = Camera(90.0, 100.0, 60.0, 45.0, 128, 96)
    truth = ramp_depth(upright)
    # As taken by a camera mounted the other way round.
    turns = rotation // 90
    rgb, camera = np.rot90(grey_from_depth(truth), turns), upright.turned(-rotation)
    frame = DepthEstimator(CONTRACT, backend, image_rotation=rotation)(rgb, camera)
    expected = DepthEstimator(CONTRACT, backend)(grey_from_depth(truth), upright)
    assert frame.camera == camera
    np.testing.assert_array_equal(frame.rgb, rgb)
    # Turned after scaling: a mean half-way between two grey levels may be rounded either way.
    np.testing.assert_allclose(frame.depth, np.rot90(expected.depth, turns), rtol=2 * HALF_LEVEL)
    np.testing.assert_allclose(frame.coarse, expected.coarse, rtol=2 * HALF_LEVEL)
    noisy = Noisy()
    DepthEstimator(CONTRACT, noisy, image_rotation=rotation)(rgb, camera)
    np.testing.assert_allclose(noisy.feeds[0]['tan_half_vfov'], upright.tan_half_vfov)


def test_a_distorted_picture_is_rectified_and_then_turned(backend: OrtBackend) -> None:
    lens = replace(CAMERA, distortion_model='plumb_bob', distortion=(-0.2, 0.05, 0.01, 0.002, 0.0))
    rgb = grey_from_depth(ramp_depth())
    as_it_comes, turned = (
        DepthEstimator(CONTRACT, backend, image_rotation=rotation)(rgb, lens)
        for rotation in (0, 180)
    )
    # The oracle treats each pixel independently.
    np.testing.assert_allclose(turned.depth, as_it_comes.depth, rtol=2 * HALF_LEVEL)
    assert turned.camera == as_it_comes.camera


def test_steps_and_times() -> None:
    noisy = Noisy()
    DepthEstimator(CONTRACT, noisy, steps=4)(grey(), CAMERA)
    assert [float(feeds['t'][0]) for feeds in noisy.feeds] == [1.0, 0.75, 0.5, 0.25]


def test_none_uses_the_contract_s_steps_and_samples() -> None:
    estimator = DepthEstimator(replace(CONTRACT, steps=3, samples=2), Noisy())
    assert (estimator.steps, estimator.samples) == (3, 2)


def test_uncertainty_is_the_relative_spread_of_the_samples() -> None:
    gain, samples = 0.05, 64
    noisy = Noisy(gain)
    camera = Camera(50, 50, 31.5, 23.5, 64, 48)
    frame = DepthEstimator(CONTRACT, noisy, samples=samples)(grey(camera), camera)
    codes = gain * noisy.feeds[0]['z'][:, 0]
    decoded = depth_codec.decode(codes, CONTRACT)
    expected = decoded.std(axis=0) / decoded.mean(axis=0)
    assert frame.uncertainty is not None
    assert frame.uncertainty.mean() == pytest.approx(expected.mean(), rel=0.05)
    np.testing.assert_allclose(
        frame.depth, depth_codec.decode(codes.mean(axis=0), CONTRACT), rtol=1e-5
    )


def test_uncertainty_of_the_linear_codec_is_relative_to_the_mean() -> None:
    noisy, contract = Noisy(0.05), replace(CONTRACT, depth_codec='linear')
    camera = Camera(50, 50, 31.5, 23.5, 64, 48)
    frame = DepthEstimator(contract, noisy, samples=4)(grey(camera), camera)
    decoded = depth_codec.decode(0.05 * noisy.feeds[0]['z'][:, 0], contract)
    expected = decoded.std(axis=0) / decoded.mean(axis=0)
    np.testing.assert_allclose(frame.uncertainty, expected, rtol=1e-3)
    np.testing.assert_allclose(frame.coarse, decoded.mean(axis=0), rtol=1e-5)


def test_uncertainty_is_nan_where_depth_is_not_finite(backend: OrtBackend) -> None:
    depth = np.full((96, 128), 3.0, np.float32)
    depth[:32], depth[64:] = 80.0, 0.1
    frame = DepthEstimator(CONTRACT, backend, samples=2)(grey_from_depth(depth), CAMERA)
    assert np.isposinf(frame.depth).any() and np.isneginf(frame.depth).any()
    assert frame.uncertainty is not None
    np.testing.assert_array_equal(np.isfinite(frame.uncertainty), np.isfinite(frame.depth))


def test_an_oracle_of_the_linear_codec(tmp_path: Path) -> None:
    contract = replace(CONTRACT, depth_codec='linear', depth_max_m=10.0)
    truth = 0.5 + 0.8 * ramp_depth()
    backend = OrtBackend(write_oracle(tmp_path / 'linear.onnx', depth_codec='linear'), threads=1)
    frame = DepthEstimator(contract, backend, samples=2)(grey_from_depth(truth, contract), CAMERA)
    np.testing.assert_allclose(frame.depth[3:-3, 3:-3], truth[3:-3, 3:-3], atol=0.06)


FISHEYE = Camera(60.0, 60.5, 66.0, 45.0, 128, 96, 'equidistant', (0.02, -0.004, 0.001, 0.0))


def test_a_distorted_camera_is_rectified_and_nothing_is_invented_outside(
    backend: OrtBackend,
) -> None:
    # A wall at 3 m fills the source picture; pixels that it does not cover must be NaN.
    depth = np.full((96, 128), 3.0, np.float32)
    barrel = Camera(100.0, 100.0, 63.5, 47.5, 128, 96, 'plumb_bob', (0.4, 0.2, 0.0, 0.0, 0.0))
    estimator = DepthEstimator(CONTRACT, backend, samples=2)
    frame = estimator(grey_from_depth(depth), barrel)
    assert frame.camera == barrel.rectified()
    missing = np.isnan(frame.depth)
    assert missing[0, 0]
    assert missing[-1, -1]
    assert not missing[30:66, 40:90].any()
    np.testing.assert_allclose(frame.depth[~missing], 3.0, rtol=2 * HALF_LEVEL)
    assert frame.uncertainty is not None
    np.testing.assert_array_equal(np.isnan(frame.uncertainty), missing)
    assert frame.rgb.shape == (96, 128, 3)
    assert 'rectify' in frame.timings


def test_the_rectified_picture_is_returned_with_the_depth(backend: OrtBackend) -> None:
    rgb = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8), (0, 0), 2
    )
    frame = DepthEstimator(CONTRACT, backend)(rgb, FISHEYE)
    assert not np.array_equal(frame.rgb, rgb)
    np.testing.assert_array_equal(frame.rgb[45, 66], rgb[45, 66])  # the centre stays


def test_a_changed_camera_rebuilds_the_maps(backend: OrtBackend) -> None:
    estimator = DepthEstimator(CONTRACT, backend)
    rgb = grey_from_depth(ramp_depth())
    first = estimator(rgb, FISHEYE).depth
    changed = estimator(rgb, replace(FISHEYE, fx=70.0))
    assert changed.camera.fx == 70.0
    anew = DepthEstimator(CONTRACT, backend)(rgb, replace(FISHEYE, fx=70.0))
    np.testing.assert_array_equal(changed.rgb, anew.rgb)
    np.testing.assert_array_equal(changed.depth, anew.depth)
    again = estimator(rgb, FISHEYE).depth
    np.testing.assert_array_equal(again, first)


def test_the_maps_are_kept_while_the_camera_stays() -> None:
    estimator = DepthEstimator(CONTRACT, Noisy())
    estimator(grey(), FISHEYE)
    kept = estimator._rectifier
    estimator(grey(), replace(FISHEYE))  # an equal camera, another object
    assert estimator._rectifier is kept
    for coefficients in (list(FISHEYE.distortion), np.array([FISHEYE.distortion])):
        estimator(grey(), replace(FISHEYE, distortion=coefficients))
    assert estimator._rectifier is kept


def test_the_input_picture_is_not_modified_and_views_of_messages_work(backend: OrtBackend) -> None:
    rgb = grey_from_depth(ramp_depth())
    padded = np.zeros((96, 140, 3), np.uint8)
    padded[:, :128] = rgb
    view = padded[:, :128]
    view.flags.writeable = False
    estimator = DepthEstimator(CONTRACT, backend)
    np.testing.assert_array_equal(estimator(view, CAMERA).depth, estimator(rgb, CAMERA).depth)
    np.testing.assert_array_equal(view, rgb)


def test_frames_do_not_share_memory(backend: OrtBackend) -> None:
    estimator = DepthEstimator(CONTRACT, backend, temporal='blend')
    camera = Camera(50, 50, 31.5, 23.5, 64, 48)  # no resize: nothing copies by accident
    rgb = grey_from_depth(ramp_depth(camera))
    first = estimator(rgb, camera).depth
    kept = first.copy()
    second = estimator(rgb, camera).depth
    assert not np.shares_memory(first, second)
    second[:] = 0
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(estimator(rgb, camera).depth, kept)


@pytest.mark.parametrize('size', [(64, 48), (200, 150)])
@pytest.mark.parametrize('samples', [1, 3])
def test_depth_is_the_coarse_depth_brought_back(
    backend: OrtBackend, size: tuple[int, int], samples: int
) -> None:
    width, height = size
    camera = Camera(0.8 * width, 0.8 * width, width / 2 - 0.5, height / 2 - 0.5, width, height)
    frame = DepthEstimator(CONTRACT, backend, samples=samples)(
        grey_from_depth(ramp_depth(camera)), camera
    )
    assert frame.coarse.shape == (frame.view.height, frame.view.width)
    code = preprocess.restore(depth_codec.encode(frame.coarse, CONTRACT), frame.view)
    known = np.isfinite(frame.depth)
    assert known.mean() > 0.5
    expected = depth_codec.decode(code, CONTRACT)[known]
    np.testing.assert_allclose(frame.depth[known], expected, rtol=1e-5)


def test_a_model_made_for_zeros_is_fed_zeros() -> None:
    noisy = Noisy()
    contract = replace(CONTRACT, noise='zeros')
    DepthEstimator(contract, noisy)(grey(), CAMERA)
    assert not noisy.feeds[0]['z'].any()
    for settings in ({'steps': 2}, {'samples': 2}):
        with pytest.raises(CoreError, match='deterministic one-step model'):
            DepthEstimator(contract, noisy, **settings)


class Faulty(Noisy):
    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {'prediction': np.full(self.value, 0.1, np.float32)}  # type: ignore[call-overload]


def test_a_denoiser_that_returns_another_size_is_refused() -> None:
    with pytest.raises(
        CoreError, match=r'returned shape \(1, 1, 24, 32\) instead of .*, 48, 64\)'
    ):
        DepthEstimator(CONTRACT, Faulty((1, 1, 24, 32)))(grey(), CAMERA)


def test_nan_from_the_network_stays_nan() -> None:
    estimator = DepthEstimator(CONTRACT, Noisy(float('nan')))
    assert np.isnan(estimator(grey(), CAMERA).depth).all()


@pytest.mark.parametrize(
    ('fy', 'trained'), [(96 / 0.39, False), (96 / 0.41, True), (40.1, True), (39.9, False)]
)
def test_cameras_that_the_model_was_trained_for(fy: float, trained: bool) -> None:
    estimator = DepthEstimator(CONTRACT, Noisy())
    camera = replace(CAMERA, fy=fy)
    assert (not estimator.untrained_for(camera)) is trained
    on_its_side = DepthEstimator(CONTRACT, Noisy(), image_rotation=90)
    message = on_its_side.untrained_for(camera.turned(-90))
    assert (not message) is trained
    # The diagnostics show another angle, that of the picture before it is turned.
    assert trained or message.startswith('the camera, turned upright, has tan(vfov/2) = ')


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'steps': 0}, 'steps=0 must be a whole number >= 1'),
        ({'steps': 1.5}, 'steps=1.5 must be a whole number'),
        ({'steps': True}, 'steps=True'),
        ({'samples': 0}, 'samples=0'),
        ({'samples': '2'}, "samples='2'"),
        ({'seed': -1}, 'seed=-1 must be a whole number >= 0'),
        ({'sampler': 'heun'}, "sampler 'heun'; allowed: ddpm, ddim"),
        ({'temporal': 'off'}, "temporal 'off'; allowed: fixed, random, blend"),
        ({'image_rotation': 90.0}, 'image_rotation 90.0; allowed'),
        ({'image_rotation': 45}, 'image_rotation 45; allowed, .* clockwise: 0, 90, 180, 270'),
    ],
)
def test_impossible_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(CoreError, match=message):
        DepthEstimator(CONTRACT, Noisy(), **settings)


@pytest.mark.parametrize(
    ('rgb', 'message'),
    [
        (np.zeros((96, 128, 3), np.float32), r'picture is float32 \(96, 128, 3\); uint8'),
        (np.zeros((96, 128), np.uint8), r'\(96, 128\); uint8 \[H, W, 3\]'),
        (np.zeros((96, 128, 4), np.uint8), r'\(96, 128, 4\)'),
        (np.zeros((48, 64, 3), np.uint8), 'picture is 64x48, its camera 128x96'),
        ([[[0, 0, 0]]], r'picture is list; uint8 \[H, W, 3\]'),
    ],
)
def test_pictures_of_another_kind_are_refused(rgb: np.ndarray, message: str) -> None:
    with pytest.raises(CoreError, match=message):
        DepthEstimator(CONTRACT, Noisy())(rgb, CAMERA)


def test_a_matrix_is_not_accepted_as_a_camera() -> None:
    with pytest.raises(CoreError, match=r'camera is ndarray; pass a dmd_ros\.Camera'):
        DepthEstimator(CONTRACT, Noisy())(np.zeros((96, 128, 3), np.uint8), CAMERA.matrix)


def test_every_stage_is_timed() -> None:
    estimator, started = DepthEstimator(CONTRACT, Noisy(), steps=2), time.perf_counter()
    timings = estimator(grey(), CAMERA).timings
    assert sum(timings.values()) <= time.perf_counter() - started  # no time counts twice
    assert set(timings) == {'prepare', 'denoise', 'sample', 'restore'}
    assert all(seconds >= 0 for seconds in timings.values())


def test_the_seconds_of_all_steps_add_up_for_the_denoiser(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]

    class Slow(Noisy):
        def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            seconds[0] += 0.5
            return super().run(feeds)

    monkeypatch.setattr(time, 'perf_counter', lambda: seconds[0])
    timings = DepthEstimator(CONTRACT, Slow(), steps=3)(grey(), CAMERA).timings
    assert timings == {'prepare': 0.0, 'denoise': 1.5, 'sample': 0.0, 'restore': 0.0}


def test_the_contract_decides_what_is_predicted() -> None:
    class Code(Noisy):
        def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {'prediction': np.full_like(feeds['z'], 0.25)}

    contract: Contract = replace(CONTRACT, parameterisation='x0')
    for steps in (1, 3):
        depth = DepthEstimator(contract, Code(), steps=steps)(grey(), CAMERA).depth
        np.testing.assert_allclose(depth, 0.1 * 800 ** (1.25 / 2), rtol=1e-5)
