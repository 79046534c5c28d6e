# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every ROS parameter of the node, declared once: type, default, range, meaning, read-only or not.

A field of `Settings` *is* the declaration: its type and default are the parameter's, its metadata
the descriptor. `declare` and `changed` do the rest for all of them alike.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.parameter import Parameter

from dmd_ros.core.diffusion import SAMPLERS
from dmd_ros.core.edges import DEFAULT_THRESHOLD
from dmd_ros.core.floor import MAX_HEIGHT_M, Mount
from dmd_ros.core.preprocess import ROTATIONS
from dmd_ros.estimator import TEMPORAL_MODES
from dmd_ros.floor_scale import VIDEO_MEMORY as FLOOR_MEMORY
from dmd_ros.fov import CAMERA_INFO, FOV_SOURCES, VIDEO_MEMORY
from dmd_ros.ros.errors import NodeError
from dmd_ros.runtime.backend import MAX_THREADS
from dmd_ros.runtime.engine_store import parse_size
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.select import BACKENDS
from dmd_ros.runtime.trt_versions import PRECISIONS

_MAX_METRES = 1000.0  # used as an upper limit, it means no limit


def _live(default: Any, meaning: str, *, fixed: bool = False, **limits: Any) -> Any:
    """Declare a parameter that takes effect from the next frame on, unless it is fixed."""
    metadata = {'meaning': meaning, 'fixed': fixed, **limits}
    return dataclasses.field(default=default, metadata=metadata)


# Read-only after startup, because a change would require rebuilding something.
_fixed = functools.partial(_live, fixed=True)


@dataclass(frozen=True)
class Settings:
    """The node's parameters; raises `NodeError` for a combination that cannot work."""

    autostart: bool = _fixed(True, 'configure and activate at startup; false: a manager does it')
    model: str = _fixed('', 'path of an .onnx file or name of a shipped model; empty: default')
    backend: str = _fixed('auto', 'engine that runs the denoiser', choices=BACKENDS)
    device: str = _fixed('auto', 'device that runs the denoiser: auto, cpu, cuda, cuda:1, ...')
    threads: int = _fixed(0, 'CPU threads of the denoiser; 0: all cores', low=0, high=MAX_THREADS)
    precision: str = _fixed(
        'auto',
        'precision of the denoiser; auto: fp16 on TensorRT if it passes its proof, else fp32',
        choices=('auto', *PRECISIONS),
    )
    engine_cache_dir: str = _fixed('', 'folder of the TensorRT engines; empty: in the user cache')
    engine_size: str = _fixed(
        '',
        "height x width of the network's input, for example 192x256, of a TensorRT engine for a "
        'single camera (fastest); empty: every usual camera',
    )
    force_rebuild: bool = _fixed(False, 'build the TensorRT engine even if one exists')
    build_only: bool = _fixed(False, 'build the TensorRT engine, then exit')

    steps: int = _live(0, 'evaluations per frame; 0: as the model recommends', low=0, high=64)
    samples: int = _live(
        0, 'estimates averaged per frame; 0: as the model recommends', low=0, high=16
    )
    sampler: str = _live('ddpm', 'sampling method', choices=SAMPLERS)
    seed: int = _live(0, 'seed of all noise', low=0, high=2**31 - 1)
    temporal: str = _live(
        'fixed',
        'noise from frame to frame: the same, new, or blended with the last prediction',
        choices=TEMPORAL_MODES,
    )

    fov_source: str = _fixed(
        CAMERA_INFO,
        'source of the field of view; with estimate or fixed, camera_info is not subscribed to',
        choices=FOV_SOURCES,
    )
    fixed_vfov_deg: float = _fixed(
        0.0, 'vertical field of view, degrees, for fov_source fixed', low=0.0, high=179.0
    )
    fov_model: str = _fixed(
        '', 'for estimate: path of an .onnx file or name of a shipped model; empty: default'
    )
    fov_memory: int = _fixed(
        VIDEO_MEMORY,
        'for estimate: number of images over which the median is taken',
        low=1,
        high=1000,
    )
    input_rectified: str = _fixed(
        'auto',
        'whether images are rectified; auto: yes if the last part of the topic name starts with '
        'image_rect',
        choices=('auto', 'true', 'false'),
    )
    image_rotation: int = _fixed(
        0,
        'clockwise rotation in degrees that makes the image upright; depth stays on the original '
        'pixels',
        choices=ROTATIONS,
    )
    image_transport: str = _fixed(
        'raw', 'subscribe to image, or to image/compressed', choices=('raw', 'compressed')
    )
    image_reliability: str = _fixed(
        'auto',
        'QoS of the image subscription; auto: reliable until a publisher proves to be best effort '
        '(camera_info always uses auto)',
        choices=('auto', 'reliable', 'best_effort'),
    )
    info_pairing: str = _fixed(
        'exact',
        'camera_info with the same stamp, or the latest one (if latched or slower)',
        choices=('exact', 'latest'),
    )
    info_max_age: float = _live(
        0.0,
        'for latest: use the nearest camera_info if its stamp differs from the image stamp by at '
        'most this many seconds; 0: the newest, whatever its stamp',
        low=0.0,
        high=1e9,
    )
    max_frame_age: float = _live(
        0.0,
        'age in seconds, by the node clock, above which a frame is dropped as stale; 0: never',
        low=0.0,
        high=1e9,
    )
    max_rate: float = _live(
        0.0,
        'maximum number of images used per second, to reduce load; 0: as many as possible',
        low=0.0,
        high=1000.0,
    )

    depth_encoding: str = _fixed(
        '32FC1', 'encoding of depth/image: metres or millimetres', choices=('32FC1', '16UC1')
    )
    depth_scale: float = _live(
        1.0,
        'factor on all depth, to correct a known scale error: the scale that dmd_ros.eval.replay '
        'writes, or a true distance divided by the estimated one',
        low=0.1,
        high=10.0,
    )
    camera_height: float = _live(
        0.0,
        'metres from the floor to the camera: depth is scaled so that the visible floor is at '
        'this distance; 0: no scaling',
        low=0.0,
        high=MAX_HEIGHT_M,
    )
    camera_pitch_deg: float = _live(
        0.0, 'degrees by which the camera looks down, for camera_height', low=-90.0, high=90.0
    )
    camera_roll_deg: float = _live(
        0.0,
        'degrees by which the camera leans to the right, for camera_height; about 90 with '
        'image_rotation 90',
        low=-180.0,
        high=180.0,
    )
    floor_memory: int = _live(
        FLOOR_MEMORY,
        'for camera_height: number of images showing the floor over which the median is taken',
        low=1,
        high=1000,
    )
    min_depth: float = _live(0.0, 'metres; nearer is -inf', low=0.0, high=_MAX_METRES)
    max_depth: float = _live(
        _MAX_METRES, 'metres; farther is +inf; 1000: no limit', low=0.0, high=_MAX_METRES
    )
    max_uncertainty: float = _live(
        0.0,
        'relative standard deviation over the samples above which a pixel has no depth (NaN); '
        '0: off; needs samples of 2 or more',
        low=0.0,
        high=10.0,
    )
    edge_filter: float = _live(
        DEFAULT_THRESHOLD,
        "relative depth step between pixels of the network's input, not on one plane, above which "
        'points interpolated between them are flying pixels; 0: off',
        low=0.0,
        high=10.0,
    )
    edge_filter_depth: bool = _live(False, 'remove flying pixels from depth/image as well')
    cloud_stride: int = _live(1, 'use every n-th pixel of every n-th row', low=1, high=64)
    cloud_min_range: float = _live(
        0.0, 'metres along Z; nearer points are left out', low=0.0, high=_MAX_METRES
    )
    cloud_max_range: float = _live(
        _MAX_METRES,
        'metres along Z; farther points are left out; 1000: no limit',
        low=0.0,
        high=_MAX_METRES,
    )
    color_near: float = _live(
        0.5, 'metres at the red end of depth/color', low=0.01, high=_MAX_METRES
    )
    color_far: float = _live(
        20.0, 'metres at the blue end of depth/color', low=0.01, high=_MAX_METRES
    )

    diagnostics_period: float = _fixed(
        1.0, 'seconds between two messages on /diagnostics', low=0.1, high=60.0
    )

    def __post_init__(self) -> None:
        """Check what descriptors cannot express: choices, NaN, pairs that must be in order."""
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        try:
            self.engine_shape()
        except BackendError as error:
            raise NodeError(f'engine_size: {error}') from None
        for low, high in _ORDERED:
            if not getattr(self, low) < getattr(self, high):
                raise NodeError(
                    f'{low} ({getattr(self, low)}) must be below {high} ({getattr(self, high)}); '
                    'set the other one first, or both in one atomic request'
                )
        if self.max_uncertainty > 0 and self.samples < 2:
            raise NodeError(
                f'max_uncertainty is {self.max_uncertainty} and samples {self.samples}: '
                'uncertainty needs samples of 2 or more; set the other one first, or '
                'both in one atomic request'
            )
        if (self.fov_source == 'fixed') != (self.fixed_vfov_deg > 0):
            raise NodeError(
                f'fov_source is {self.fov_source!r} and fixed_vfov_deg {self.fixed_vfov_deg}: '
                'fixed needs an angle above 0, the others need 0'
            )
        if self.camera_height and self.depth_scale != 1:
            raise NodeError(
                f'camera_height is {self.camera_height} and depth_scale {self.depth_scale}: the '
                'scale comes from the floor or from you; reset one of them first (to 0, or 1.0)'
            )
        if self.fov_model and self.fov_source != 'estimate':
            raise NodeError(
                f'fov_model is set and fov_source is {self.fov_source!r}: only estimate uses it'
            )

    def engine_shape(self) -> tuple[int, int] | None:
        """Read engine_size as (height, width); None: any."""
        return parse_size(self.engine_size) if self.engine_size else None

    def mount(self) -> Mount | None:
        """Return the pose of the camera above the floor; None: unknown."""
        if not self.camera_height:
            return None
        return Mount(self.camera_height, self.camera_pitch_deg, self.camera_roll_deg)


_ORDERED = (
    ('min_depth', 'max_depth'),
    ('cloud_min_range', 'cloud_max_range'),
    ('color_near', 'color_far'),
)


def reach(metres: float) -> float:
    """Return an upper limit; the maximum of its range means that there is none."""
    return metres if metres < _MAX_METRES else math.inf


_FIELDS = dataclasses.fields(Settings)
NAMES = tuple(field.name for field in _FIELDS)


def declare(node: Any) -> Settings:
    """Declare all parameters on `node` and read them; raises `NodeError` for a bad override."""
    for field in _FIELDS:
        try:
            node.declare_parameter(field.name, field.default, _descriptor(field))
        except InvalidParameterTypeException as error:
            raise NodeError(
                f'{error}. The default is {field.default!r}: write the value in the same way '
                '(10.0 is a double, 10 an integer)'
            ) from None
        except InvalidParameterValueException as error:
            raise NodeError(f'parameter {field.name}: {error}') from None
    return Settings(**{f.name: _as_declared(f, node.get_parameter(f.name).value) for f in _FIELDS})


def ignored(node: Any) -> list[str]:
    """Return a warning for each unknown parameter set on `node`: ROS drops misspelt names.

    This is not an error, because one file may serve many nodes (`/**`).
    """
    known = node.get_parameters_by_prefix('')
    # rclpy has no public name for them.
    given = getattr(node, '_parameter_overrides', {})
    found = []
    for name in sorted(given.keys() - known.keys()):
        near = difflib.get_close_matches(name, known, 1)
        hint = f'; did you mean {near[0]}?' if near else ''
        found.append(f'unknown parameter {name}: it has no effect{hint}')
    return found


def idle(settings: Settings) -> list[str]:
    """Return warnings about settings that have no effect at startup, probably by mistake."""
    tilt = settings.camera_pitch_deg, settings.camera_roll_deg
    if settings.camera_height or not any(tilt):
        return []
    # Not an error: on a live node the tilt may be set before the height, or the height reset for a
    # while; depth must not be scaled by an incomplete mount.
    without_effect = (
        f'camera_pitch_deg {tilt[0]:g} and camera_roll_deg {tilt[1]:g} have no effect because '
        'camera_height is 0: the scale is taken from the floor only if a height is set'
    )
    return [without_effect]


def changed(settings: Settings, parameters: Iterable[Parameter]) -> Settings:
    """Return the settings with `parameters` applied; others (QoS, time) are ignored.

    Raises `NodeError` if the result is not allowed.
    """
    ours = {p.name: p.value for p in parameters if p.name in NAMES}
    return dataclasses.replace(settings, **ours)


def _as_declared(field: dataclasses.Field[Any], value: Any) -> Any:
    """Turn `true` and `false`, which YAML reads as booleans, into text where they are choices."""
    return str(value).lower() if _has_flags(field) else value


def _has_flags(field: dataclasses.Field[Any]) -> bool:
    return 'true' in field.metadata.get('choices', ())


def _check(field: dataclasses.Field[Any], value: Any) -> None:
    limits = field.metadata
    if 'choices' in limits and value not in limits['choices']:
        raise NodeError(f'{field.name} is {value!r}; allowed: {_listed(limits["choices"])}')
    # Written so that NaN, which compares false with everything, is refused too.
    if 'low' in limits and not limits['low'] <= value <= limits['high']:
        raise NodeError(f'{field.name} is {value}; allowed: {limits["low"]} to {limits["high"]}')


def _listed(choices: Iterable[Any]) -> str:
    return ', '.join(map(str, choices))


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    limits = field.metadata
    descriptor = ParameterDescriptor(
        description=limits['meaning'],
        read_only=limits['fixed'],
        dynamic_typing=_has_flags(field),
    )
    if 'choices' in limits:
        descriptor.additional_constraints = 'one of ' + _listed(limits['choices'])
    if 'low' in limits:
        kind, name = (
            (FloatingPointRange, 'floating_point_range')
            if isinstance(field.default, float)
            else (IntegerRange, 'integer_range')
        )
        bounds = kind(from_value=limits['low'], to_value=limits['high'])
        setattr(descriptor, name, [bounds])
    return descriptor
