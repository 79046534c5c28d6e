# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth without a calibrated camera: the field of view is fixed, or estimated by an oracle."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fov_oracle import CONTRACT, grey, tan_of, write_fov_oracle
from hypothesis import given
from hypothesis import strategies as st
from oracle_model import CONTRACT as DENOISER
from oracle_model import write_oracle

from dmd_ros import Camera, load_estimator
from dmd_ros.core.camera import degrees_from_tan_half, tan_half_from_degrees
from dmd_ros.core.contract import METADATA_KEY, FovContract
from dmd_ros.core.errors import CoreError
from dmd_ros.core.preprocess import centred_view, full_view
from dmd_ros.estimator import DepthEstimator
from dmd_ros.fov import EstimatedFov, FixedFov, FovEstimator
from dmd_ros.loading import load_camera_source
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.ort_backend import OrtFovBackend


@pytest.fixture(scope='module')
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('models')
    return write_oracle(folder / 'depth.onnx'), write_fov_oracle(folder / 'fov.onnx')


def estimator_with(models: tuple[Path, Path], **settings: object) -> DepthEstimator:
    return load_estimator(models[0], backend='onnxruntime', threads=1, **settings)


def seen_by(estimator: DepthEstimator) -> list[float]:
    """Collects the fields of view that are fed to the denoiser from now on."""
    fed: list[float] = []
    real = estimator.backend.run

    def run(feeds):
        fed.append(float(feeds['tan_half_vfov'][0]))
        return real(feeds)

    estimator.backend.run = run
    return fed


# Angles.


@given(st.floats(0.01, 179.9))
def test_degrees_there_and_back(degrees: float) -> None:
    assert degrees_from_tan_half(tan_half_from_degrees(degrees)) == pytest.approx(degrees)


@pytest.mark.parametrize('degrees', [0.0, -20.0, 180.0, float('nan'), float('inf')])
def test_an_invalid_angle_of_view_is_refused(degrees: float) -> None:
    with pytest.raises(CoreError, match='allowed: above 0, below 180'):
        tan_half_from_degrees(degrees)


@pytest.mark.parametrize('angle', ['48', None, True])
def test_an_angle_must_be_a_number(angle: object) -> None:
    with pytest.raises(CoreError, match=f'fov_deg={angle!r} of a camera must be a number'):
        tan_half_from_degrees(angle)  # type: ignore[arg-type]
    with pytest.raises(CoreError, match=f'tan_half_vfov={angle!r} of a camera must be a number'):
        Camera.assumed(angle, 64, 48)  # type: ignore[arg-type]


@given(st.floats(0.01, 20.0), st.integers(16, 4000), st.integers(16, 4000))
def test_the_assumed_camera_has_the_field_of_view_and_keeps_it(
    tan: float, width: int, height: int
) -> None:
    camera = Camera.assumed(tan, width, height)
    assert camera.tan_half_vfov == pytest.approx(tan)
    assert camera.fx == camera.fy
    assert camera.flipped() == camera  # the principal point is in the middle
    view = full_view(camera, CONTRACT)
    assert view.camera.tan_half_vfov == pytest.approx(tan)


@pytest.mark.parametrize('tan', [0.0, -1.0, float('nan'), float('inf')])
def test_no_camera_is_assumed_for_an_impossible_field_of_view(tan: float) -> None:
    with pytest.raises(CoreError, match='must be a finite number > 0'):
        Camera.assumed(tan, 64, 48)


# The contract and the file.


def test_the_contract_goes_there_and_back() -> None:
    assert FovContract.from_json(CONTRACT.to_json()) == CONTRACT


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'kind': 'depth'}, "kind='depth'; allowed: fov"),
        ({'tan_half_vfov_range': [0.0, 1.0]}, '0 < low <= high'),
        ({'stride': 0}, 'stride=0 must be >= 1'),
        ({'train_sizes': [[40, 64]]}, 'multiples of stride 16'),
        ({'rgb_std': [1, 0, 1]}, 'rgb_std'),
        ({'format': 2}, 'format 2 is not supported'),
        ({'steps': 1}, r"unknown fields \['steps'\]"),
    ],
)
def test_a_wrong_contract_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(CoreError, match=message):
        FovContract.from_json(json.dumps({**json.loads(CONTRACT.to_json()), **changes}))


def test_the_field_of_view_model_is_closed_if_the_denoiser_fails(
    models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, close = [], OrtFovBackend.close
    monkeypatch.setattr(OrtFovBackend, 'close', lambda self: (closed.append(self), close(self)))
    with pytest.raises(BackendError, match='is not a DMD denoiser'):
        load_estimator(
            models[1], backend='onnxruntime', fov_source='estimate', fov_model=models[1]
        )
    assert len(closed) == 1


def test_each_kind_of_model_is_refused_in_the_place_of_the_other(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(BackendError, match='is not a DMD denoiser'):
        load_estimator(models[1], backend='onnxruntime')
    with pytest.raises(BackendError, match=r'is not a field-of-view model.*train\.fov\.export'):
        load_camera_source('estimate', fov_model=models[0])
    bare = write_fov_oracle(tmp_path / 'bare.onnx', {})
    with pytest.raises(BackendError, match=r'carries no contract.*train\.fov\.export'):
        OrtFovBackend(bare)
    foreign = write_fov_oracle(tmp_path / 'foreign.onnx', {METADATA_KEY: DENOISER.to_json()})
    with pytest.raises(BackendError, match=r"missing fields \['kind'\] and unknown"):
        OrtFovBackend(foreign)
    with pytest.raises(BackendError, match=r'nowhere\.onnx does not exist'):
        load_camera_source('estimate', fov_model=tmp_path / 'nowhere.onnx')


# The estimate.


# Rows of the picture / rows of the window: only tall pictures are cropped vertically.
@pytest.mark.parametrize(
    ('size', 'share'), [((48, 64), 1), ((480, 640), 1), ((375, 1242), 1), ((800, 400), 800 / 300)]
)
@pytest.mark.parametrize('level', [100, 128, 200])
def test_the_network_estimates_the_field_of_view(
    models: tuple[Path, Path], size: tuple[int, int], share: float, level: int
) -> None:
    backend = OrtFovBackend(models[1], threads=1)
    estimator = FovEstimator(backend.contract, backend)
    assert estimator(grey(level, *size)) == pytest.approx(tan_of(level) * share, abs=1e-5)
    # Limited to the range it was trained for.
    assert estimator(grey(0, *size)) == pytest.approx(0.3 * share)
    assert estimator(grey(255, *size)) == pytest.approx(1.1 * share)


def test_the_network_sees_the_middle_of_a_wide_picture(models: tuple[Path, Path]) -> None:
    picture = grey(0, 48, 200)
    picture[:, 68:132] = 150
    assert Median(models)(picture) == pytest.approx(tan_of(150), abs=1e-5)


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([0, 1, 2]))
def test_the_window_is_centred_inside_and_of_a_known_shape(
    height: int, width: int, count: int
) -> None:
    sizes = ((48, 64), (64, 48), (32, 112))[: count + 1]
    view = centred_view(Camera.assumed(0.5, width, height), replace(CONTRACT, train_sizes=sizes))
    assert view.is_inside and (view.height, view.width) in sizes
    rows, columns = view.crop_height, view.crop_width
    assert abs(rows * view.width / view.height - columns) <= 0.5 * view.width / view.height + 0.5
    assert rows == height or columns == width  # no larger one of its shape is possible
    largest = max(h * w * min(height / h, width / w) ** 2 for h, w in sizes)
    assert rows * columns >= largest - height - width  # nor of another, but for whole pixels
    assert abs(height - 2 * view.top - rows) <= 1 and abs(width - 2 * view.left - columns) <= 1


@pytest.mark.parametrize(
    'picture',
    [np.zeros((48, 64), np.uint8), np.zeros((48, 64, 4), np.uint8), np.zeros((48, 64, 3))],
)
def test_anything_that_is_not_a_picture_is_refused(models, picture: np.ndarray) -> None:
    with pytest.raises(CoreError, match=r'uint8 \[H, W, 3\] RGB is expected'):
        Median(models)(picture)


def test_a_model_that_returns_nonsense_is_refused() -> None:
    class Broken:
        name, device = 'broken', 'cpu'

        def run(self, feeds):
            return {'tan_half_vfov': np.array([np.nan], np.float32)}

        def close(self) -> None:
            pass

    with pytest.raises(CoreError, match=r'returned \[nan\]; one finite number is expected'):
        FovEstimator(CONTRACT, Broken())(grey(100))


class Median:
    """The fields of view returned by an `EstimatedFov` with a memory, as plain numbers."""

    def __init__(self, models: tuple[Path, Path], memory: int = 1) -> None:
        backend = OrtFovBackend(models[1], threads=1)
        self.source = EstimatedFov(FovEstimator(backend.contract, backend), memory)

    def __call__(self, rgb: np.ndarray) -> float:
        return self.source.camera(rgb).tan_half_vfov


@given(st.lists(st.integers(60, 220), min_size=1, max_size=12), st.integers(1, 5))
def test_the_median_over_the_newest_pictures_is_used(
    models, levels: list[int], memory: int
) -> None:
    estimator = Median(models, memory)
    for count, level in enumerate(levels, start=1):
        newest = levels[max(count - memory, 0) : count]
        expected = statistics.median(tan_of(seen) for seen in newest)
        assert estimator(grey(level)) == pytest.approx(expected, abs=1e-5)


def test_a_single_odd_picture_changes_nothing(models) -> None:
    estimator = Median(models, 5)
    steady = [estimator(grey(120)) for _ in range(5)]
    assert {estimator(grey(level)) for level in (255, 120, 0, 120)} == {steady[0]}


def test_another_size_and_a_reset_clear_the_memory(models) -> None:
    estimator = Median(models, 9)
    for _ in range(9):
        estimator(grey(90))
    assert estimator(grey(180, 96, 128)) == pytest.approx(tan_of(180), abs=1e-5)
    for _ in range(3):
        estimator(grey(90, 96, 128))
    estimator.source.reset()
    assert estimator(grey(200, 96, 128)) == pytest.approx(tan_of(200), abs=1e-5)


def test_a_turned_picture_is_estimated_upright(models) -> None:
    picture = grey(0, 64, 200)
    picture[:, :70], picture[20:40] = 140, 220
    backend = OrtFovBackend(models[1], threads=1)
    network = FovEstimator(backend.contract, backend)
    for rotation in (90, 180, 270):
        upright = np.ascontiguousarray(np.rot90(picture, -rotation // 90))
        expected = EstimatedFov(network).camera(upright).turned(-rotation)
        assert EstimatedFov(network, image_rotation=rotation).camera(picture) == expected
        # So is the denoiser's input.
        with_depth = estimator_with(
            models, fov_source='estimate', fov_model=models[1], image_rotation=rotation
        )
        fed = seen_by(with_depth)
        assert with_depth(picture).camera == expected
        assert fed == pytest.approx([expected.turned(rotation).tan_half_vfov])


@pytest.mark.parametrize('memory', [0, -1, 2.0, True])
def test_an_empty_memory_is_refused(models, memory: object) -> None:
    with pytest.raises(CoreError, match='must be a whole number of pictures >= 1'):
        load_camera_source('estimate', fov_model=models[1], fov_memory=memory)


# Depth.


def test_depth_uses_the_estimated_field_of_view_and_reports_it(models) -> None:
    estimator = estimator_with(models, fov_source='estimate', fov_model=models[1])
    fed = seen_by(estimator)
    frame = estimator(grey(150, 96, 128), None)
    assert fed == [pytest.approx(tan_of(150), abs=1e-5)]
    assert frame.camera == Camera.assumed(frame.camera.tan_half_vfov, 128, 96)
    assert frame.camera.tan_half_vfov == pytest.approx(tan_of(150), abs=1e-5)
    assert (frame.fov_source, estimator.fov_source) == ('estimate', 'estimate')
    assert frame.depth.shape == (96, 128) and frame.timings['fov'] > 0
    session = estimator.camera_source.estimator.backend._session
    assert session.get_session_options().intra_op_num_threads == 1  # one core is enough
    estimator.close()  # both networks
    with pytest.raises(BackendError, match='is closed'):
        estimator.camera_of(grey(150, 96, 128), None)
    with pytest.raises(BackendError, match='is closed'):
        estimator.backend.run({'tan_half_vfov': np.ones(1, np.float32)})


def test_depth_uses_the_fixed_field_of_view(models) -> None:
    estimator = estimator_with(models, fov_source='fixed', vfov_deg=60.0)
    fed = seen_by(estimator)
    frame = estimator(grey(150))
    assert fed == [pytest.approx(np.tan(np.radians(30.0)))]
    assert frame.fov_source == 'fixed'
    assert frame.camera.fy == pytest.approx(24.0 / np.tan(np.radians(30.0)))
    with_camera = estimator_with(models)(grey(150), frame.camera)
    assert with_camera.fov_source == 'camera_info'
    np.testing.assert_array_equal(frame.depth, with_camera.depth)


def test_reset_of_the_estimator_forgets_the_fields_of_view(models) -> None:
    estimator = estimator_with(models, fov_source='estimate', fov_model=models[1], fov_memory=9)
    for _ in range(5):
        estimator(grey(90))
    estimator.reset()
    assert estimator(grey(180)).camera.tan_half_vfov == pytest.approx(tan_of(180), abs=1e-5)


def test_an_estimator_with_other_settings_keeps_the_fields_of_view(
    models: tuple[Path, Path],
) -> None:
    """A live parameter creates a new estimator around the same source: depth must not jump."""
    before = estimator_with(models, fov_source='estimate', fov_model=models[1], fov_memory=9)
    for _ in range(5):
        before(grey(90))
    after = DepthEstimator(
        before.contract, before.backend, steps=2, camera_source=before.camera_source
    )
    assert after(grey(180)).camera.tan_half_vfov == pytest.approx(tan_of(90), abs=1e-5)


def test_a_camera_too_few_or_too_many_is_refused_with_the_fix(models) -> None:
    camera = Camera.assumed(0.5, 64, 48)
    with pytest.raises(CoreError, match=r"no camera was passed.*fov_source='fixed'.*'estimate'"):
        estimator_with(models)(grey(100), None)
    fixed = estimator_with(models, fov_source='fixed', vfov_deg=50.0)
    with pytest.raises(CoreError, match=r"a camera was passed.*fov_source='camera_info'"):
        fixed(grey(100), camera)
    with pytest.raises(CoreError, match='its camera 64x48'):
        estimator_with(models)(grey(100, 96, 128), camera)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'fov_source': 'guess'}, "fov_source 'guess'; allowed: camera_info, estimate, fixed"),
        ({'fov_source': 'fixed'}, "'fixed' with vfov_deg=None"),
        ({'vfov_deg': 50.0}, "'camera_info' with vfov_deg=50.0"),
        ({'fov_source': 'estimate', 'vfov_deg': 50.0}, "'estimate' with vfov_deg=50.0"),
        ({'fov_source': 'fixed', 'vfov_deg': 0.0}, 'allowed: above 0, below 180'),
        ({'fov_model': 'x.onnx'}, 'uses no fov_model'),
    ],
)
def test_contradictions_are_refused(models, settings: dict, message: str) -> None:
    with pytest.raises(CoreError, match=message):
        estimator_with(models, **settings)


def test_the_range_of_the_contract_limits_the_camera(tmp_path: Path, models) -> None:
    narrow = write_fov_oracle(tmp_path / 'narrow.onnx', tan_half_vfov_range=(0.4, 0.5))
    estimator = estimator_with(models, fov_source='estimate', fov_model=narrow)
    assert estimator(grey(255)).camera.tan_half_vfov == pytest.approx(0.5)
    assert replace(CONTRACT, tan_half_vfov_range=(0.4, 0.5)) == estimator_contract(estimator)


def estimator_contract(estimator: DepthEstimator) -> FovContract:
    source = estimator.camera_source
    assert isinstance(source, EstimatedFov)
    return source.estimator.contract


def test_a_fixed_source_holds_nothing() -> None:
    source = FixedFov(90.0)
    before = source.camera(grey(10))
    source.reset()
    source.close()
    assert source.camera(grey(200)) == before
    assert before.tan_half_vfov == pytest.approx(1.0)
