# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metric depth from a picture and its camera. No ROS, no files, no choice of backend."""

from __future__ import annotations

import time
from collections.abc import Iterator
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core import depth_codec, diffusion, preprocess
from dmd_ros.core.camera import Camera, Rectifier
from dmd_ros.core.checks import check_picture, whole
from dmd_ros.core.contract import Contract
from dmd_ros.core.errors import CoreError
from dmd_ros.core.records import DepthFrame, FloorReading
from dmd_ros.floor_scale import FloorScale
from dmd_ros.fov import CAMERA_INFO, CameraSource
from dmd_ros.runtime.backend import OUTPUT, Backend, Feeds, Floats, SamplerBackend
from dmd_ros.runtime.host_sampler import sample_on_host
from dmd_ros.runtime.noise import Replay, draw_fixed, normals

TEMPORAL_MODES = ('fixed', 'random', 'blend')
# Share of the previous prediction in the first z of `blend`; the rest is the fixed noise.
BLEND = 0.1


class DepthEstimator:
    """A few-step DMD sampler around a loaded denoiser.

    steps, samples: None uses the contract's recommendation. Samples are evaluated in one batch and
        averaged in code space (for the log codec, a geometric mean of depth).
    sampler: 'ddpm' (ancestral, as in the paper) or 'ddim'.
    seed: seed of all noise.
    temporal: 'fixed' uses the same noise for every frame (no flicker), 'random' draws fresh noise,
        'blend' mixes 0.9 fixed noise + 0.1 previous prediction (`reset` forgets it).
    camera_source: None if every picture is passed with its camera; otherwise it supplies the
        cameras, and pictures are passed without one (see `dmd_ros.fov`).
    image_rotation: clockwise rotation, 0, 90, 180 or 270 degrees, that makes a picture upright:
        the network was trained on upright pictures. Depth stays on the picture's own grid.
    floor_scale: None, or an object that scales depth to match the known camera height. The only
        setting that may be changed later.
    For other settings, or a second camera, create another estimator around the same backend.
    Threads may share an estimator; 'random', 'blend' and the memories depend on the order of the
    pictures.
    """

    def __init__(
        self,
        contract: Contract,
        backend: Backend,
        *,
        steps: int | None = None,
        samples: int | None = None,
        sampler: str = 'ddpm',
        seed: int = 0,
        temporal: str = 'fixed',
        camera_source: CameraSource | None = None,
        image_rotation: int = 0,
        floor_scale: FloorScale | None = None,
    ) -> None:
        """Check the settings against the contract; raises `CoreError`."""
        check_settings(
            steps=steps,
            samples=samples,
            sampler=sampler,
            seed=seed,
            temporal=temporal,
            image_rotation=image_rotation,
        )
        self.contract = contract
        self.backend = backend
        self.camera_source = camera_source
        self.steps = contract.steps if steps is None else int(steps)
        self.samples = contract.samples if samples is None else int(samples)
        self.sampler = sampler
        self.seed = int(seed)
        self.temporal = temporal
        self.image_rotation = int(image_rotation)
        self.floor_scale = floor_scale
        _check_promises(self)
        self._start_noise()
        self._rectifier: Rectifier | None = None

    def reset(self) -> None:
        """Forget the previous frames and restart the noise, after a cut or a time jump."""
        self._start_noise()
        for memory in (self.camera_source, self.floor_scale):
            if memory is not None:
                memory.reset()

    def _start_noise(self) -> None:
        self._random = np.random.default_rng(self.seed)
        # Initial noise and step noise in one field, so that threads cannot mix two versions.
        self._fixed_noise: tuple[Floats, Replay] | None = None
        self._previous: Floats | None = None

    def __call__(self, rgb: NDArray[np.uint8], camera: Camera | None = None) -> DepthFrame:
        """Estimate depth of uint8 [H, W, 3] RGB taken by `camera` (rectified first if distorted).

        camera: None if, and only if, the estimator has a camera source.
        Raises `CoreError` if the picture is not uint8 [H, W, 3] or not of the camera's size,
        `BackendError` if the network cannot be evaluated.
        """
        timings: dict[str, float] = {}
        clock = _Stopwatch(timings)
        camera = self.camera_of(rgb, camera)
        if self.camera_source is not None:
            clock.lap('fov')
        rectifier = self._rectifier_for(camera)
        if rectifier is not None:
            rgb = rectifier(rgb)
            clock.lap('rectify')
        camera = camera.rectified()
        view = preprocess.full_view(camera, self.contract, self.image_rotation)
        picture = preprocess.prepare(rgb, view, self.contract)
        clock.lap('prepare')
        codes = self._sample(picture, view.camera.tan_half_vfov, timings)  # [S, 1, h, w]
        clock.lap('sample')
        timings['sample'] -= timings['denoise']
        mean = codes[0, 0] if self.samples == 1 else codes.mean(axis=0)[0]
        depth, uncertainty = self._decode(codes, mean, view)
        if rectifier is not None:
            for image in (depth, uncertainty):
                if image is not None:
                    np.put(image, rectifier.outside_index, np.nan)
        coarse = depth_codec.decode(mean, self.contract)
        clock.lap('restore')
        floor = self._scale_by_floor(depth, coarse, mean, view)
        if floor is not None:
            clock.lap('floor')
        return DepthFrame(
            depth, uncertainty, rgb, camera, coarse, view, timings, self.fov_source, floor
        )

    @property
    def fov_source(self) -> str:
        """The source of the cameras: one of `dmd_ros.fov.FOV_SOURCES`."""
        return CAMERA_INFO if self.camera_source is None else self.camera_source.name

    def camera_of(self, rgb: NDArray[np.uint8], camera: Camera | None) -> Camera:
        """Return `camera`, or the camera source's camera for this picture.

        Raises `CoreError` if both or neither are available, or if sizes differ.
        """
        check_picture(rgb)
        if self.camera_source is not None:
            if camera is not None:
                raise CoreError(
                    f'a camera was passed, but fov_source is {self.fov_source!r}: pass None, or '
                    f'load the estimator with fov_source={CAMERA_INFO!r}'
                )
            return self.camera_source.camera(rgb)
        if camera is None:
            raise CoreError(
                'no camera was passed: metric depth needs a field of view. Pass a Camera, or load '
                "the estimator with fov_source='fixed' (and vfov_deg) or 'estimate'"
            )
        if not isinstance(camera, Camera):
            raise CoreError(f'camera is {type(camera).__name__}; pass a dmd_ros.Camera')
        if rgb.shape[:2] != (camera.height, camera.width):
            raise CoreError(
                f'picture is {rgb.shape[1]}x{rgb.shape[0]}, its camera '
                f'{camera.width}x{camera.height}; use Camera.resized() if the picture was scaled'
            )
        return camera

    def untrained_for(self, camera: Camera) -> str:
        """Return a warning if the model was not trained for the field of view, else ''."""
        low, high = self.contract.tan_half_vfov_range
        value = camera.rectified().turned(self.image_rotation).tan_half_vfov
        if low <= value <= high:
            return ''
        turned = ', turned upright,' if self.image_rotation % 180 else ''
        return (
            f'the camera{turned} has tan(vfov/2) = {value:.3f}, but the model was trained for '
            f'{low:.3f} to {high:.3f}: expect a wrong scale; use another model'
        )

    def doubt_of_mount(self) -> str:
        """Return a warning if the configured mount is implausible, else ''; see `Mount.doubt`."""
        scale = self.floor_scale
        return '' if scale is None else scale.mount.doubt(self.image_rotation)

    def __enter__(self) -> DepthEstimator:
        """Return the estimator; leaving the `with` block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the estimator."""
        self.close()

    def close(self) -> None:
        """Release the backend and the camera source."""
        self.backend.close()
        if self.camera_source is not None:
            self.camera_source.close()

    def _rectifier_for(self, camera: Camera) -> Rectifier | None:
        """Return the rectifier of a distorted camera, kept until the camera changes."""
        if not camera.is_distorted:
            return None
        rectifier = self._rectifier  # another thread may replace it
        if rectifier is None or rectifier.source != camera:
            rectifier = self._rectifier = Rectifier(camera)
        return rectifier

    def _sample(
        self,
        picture: Floats,
        tan_half_vfov: float,
        timings: dict[str, float],
    ) -> Floats:
        """Draw `samples` depth codes [S, 1, h, w] for one picture [1, 3, h, w]."""
        shape = (self.samples, 1, *picture.shape[2:])
        noise, fresh = self._noise(shape)
        times = diffusion.trailing_times(self.steps)
        if isinstance(self.backend, SamplerBackend):
            started = time.perf_counter()
            codes = self.backend.sample(picture, tan_half_vfov, noise, fresh, times, self.sampler)
            timings['denoise'] = time.perf_counter() - started
            _check_prediction(codes, shape)
        else:

            def run(feeds: Feeds) -> Floats:
                started = time.perf_counter()
                prediction = self.backend.run(feeds)[OUTPUT]
                timings['denoise'] = timings.get('denoise', 0.0) + time.perf_counter() - started
                _check_prediction(prediction, shape)
                return prediction

            codes = sample_on_host(
                run, self.contract, picture, tan_half_vfov, noise, fresh, times, self.sampler
            )
        if self.temporal == 'blend':
            # A frame with NaN must not spoil all later frames.
            self._previous = codes if np.isfinite(codes).all() else None
        return codes

    def _noise(self, shape: tuple[int, ...]) -> tuple[Floats, Iterator[Floats]]:
        """Return the initial z and the noise of the ancestral steps, by temporal mode."""
        if self.contract.noise == 'zeros':
            return np.zeros(shape, np.float32), iter(())
        if self.temporal == 'random':
            return self._random.standard_normal(shape, np.float32), normals(self._random, shape)
        fixed = self._fixed_noise
        if fixed is None or fixed[0].shape != shape:
            fixed = self._fixed_noise = draw_fixed(self.seed, shape)
        noise, fresh = fixed
        previous = self._previous
        if previous is not None and previous.shape == shape:
            noise = np.float32(1.0 - BLEND) * noise + np.float32(BLEND) * previous
        return noise, iter(fresh)

    def _scale_by_floor(
        self,
        depth: Floats,
        coarse: Floats,
        code: Floats,
        view: preprocess.View,
    ) -> FloorReading | None:
        """Scale depth [H, W] and coarse [h, w], in place, by the factor found from the floor.

        code: the code that `coarse` was decoded from. Returns None without a `floor_scale`.
        """
        floor_scale = self.floor_scale  # another thread may replace it
        if floor_scale is None:
            return None
        # Pixels beyond the range, or too close, have no depth to compare with the floor's.
        known = np.where(depth_codec.within(code, self.contract), coarse, np.float32(np.nan))
        floor = floor_scale(known, view)
        if floor.scale is not None:
            for metres in (depth, coarse):
                metres *= np.float32(floor.scale)
        return floor

    def _decode(
        self,
        codes: Floats,
        mean: Floats,
        view: preprocess.View,
    ) -> tuple[Floats, Floats | None]:
        """Bring the mean [h, w] and the spread of codes [S, 1, h, w] to the camera's grid."""
        code = preprocess.restore(mean, view)
        depth = depth_codec.decode_frame(code, self.contract, mean)
        if self.samples == 1:
            return depth, None
        spread = depth_codec.relative_std(codes.std(axis=0)[0], mean, self.contract)
        uncertainty = preprocess.restore(spread, view)
        uncertainty[~np.isfinite(depth)] = np.nan
        return depth, uncertainty


class _Stopwatch:
    """Records the seconds since the last lap under the name of a stage."""

    def __init__(self, timings: dict[str, float]) -> None:
        self._timings = timings
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._timings[stage] = now - self._last
        self._last = now


def check_settings(
    *,
    steps: int | None,
    samples: int | None,
    sampler: str,
    seed: int,
    temporal: str,
    image_rotation: int,
) -> None:
    """Raise `CoreError` for settings of a `DepthEstimator` that are invalid for every model."""
    for name, value, least in (('steps', steps, 1), ('samples', samples, 1), ('seed', seed, 0)):
        if value is not None or name == 'seed':
            whole(name, value, least)
    if sampler not in diffusion.SAMPLERS:
        raise CoreError(f'sampler {sampler!r}; allowed: {", ".join(diffusion.SAMPLERS)}')
    if temporal not in TEMPORAL_MODES:
        raise CoreError(f'temporal {temporal!r}; allowed: {", ".join(TEMPORAL_MODES)}')
    if not isinstance(image_rotation, Integral) or image_rotation not in preprocess.ROTATIONS:
        raise CoreError(
            f'image_rotation {image_rotation!r}; allowed, in degrees clockwise: '
            f'{", ".join(map(str, preprocess.ROTATIONS))}'
        )


def _check_promises(estimator: DepthEstimator) -> None:
    """Raise `CoreError` for settings that this model or engine does not support."""
    fixed = getattr(estimator.backend, 'fixed_samples', estimator.samples)
    if estimator.samples != fixed:
        raise CoreError(
            f'samples={estimator.samples}: the engine was built for {fixed}; load the estimator '
            'again with this number of samples'
        )
    deterministic = estimator.contract.noise == 'zeros'
    if deterministic and (estimator.steps, estimator.samples) != (1, 1):
        raise CoreError(
            f'model {estimator.contract.name} is a deterministic one-step model: steps and '
            f'samples must be 1, got {estimator.steps} and {estimator.samples}'
        )


def _check_prediction(prediction: Floats, shape: tuple[int, ...]) -> None:
    if prediction.shape != shape:
        raise CoreError(
            f'the denoiser returned shape {prediction.shape} instead of {shape}; the model file '
            'violates its contract: export it again'
        )
