# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model's contract: everything that the runtime must know to feed the model correctly.

The contract is stored inside the ONNX file as JSON metadata, so weights and preprocessing cannot
be mixed up, and no preprocessing parameter is set in YAML.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from dmd_ros.core.errors import CoreError

METADATA_KEY = 'dmd_contract'
FORMAT = 1

_CHOICES = {
    'depth_codec': ('log', 'linear'),
    'parameterisation': ('v', 'eps', 'x0'),
    'schedule': ('cosine',),
    'fov_encoding': ('tan_half_vfov', 'none'),
    'noise': ('gaussian', 'zeros'),
    'kind': ('fov',),
}
_C = TypeVar('_C', bound='PictureContract')


@dataclass(frozen=True)
class PictureContract:
    """The part of the contract that describes the input picture, common to all networks.

    name: model name, for logs.
    stride: input height and width must be multiples of it.
    train_sizes: (height, width) pairs, pixels, that the model was trained on; the first is the
        default, and its area is kept for other aspects.
    rgb_mean, rgb_std: the network's input is (rgb / 255 - mean) / std.
    tan_half_vfov_range: the fields of view that the network was trained for.
    Raises `CoreError` for invalid values.
    """

    name: str
    stride: int
    train_sizes: tuple[tuple[int, int], ...]
    rgb_mean: tuple[float, float, float]
    rgb_std: tuple[float, float, float]
    tan_half_vfov_range: tuple[float, float]
    format: int = field(default=FORMAT, kw_only=True)

    def __post_init__(self) -> None:
        """Reject an inconsistent contract; convert numbers and tuples to their exact types."""
        for name in (f.name for f in fields(self)):
            object.__setattr__(self, name, _TYPES[name](name, getattr(self, name)))
        if self.format != FORMAT:
            raise CoreError(
                f'contract format {self.format} is not supported (this version reads {FORMAT}); '
                'export the model again with the matching dmd_ros version'
            )
        _check_at_least_1(self, 'stride')
        low, high = self.tan_half_vfov_range
        if not 0 < low <= high:
            raise CoreError(
                f'contract tan_half_vfov_range {low:g}..{high:g}; 0 < low <= high is required'
            )
        sides = [side for size in self.train_sizes for side in size]
        if not sides or any(side < 1 or side % self.stride for side in sides):
            raise CoreError(
                f'contract train_sizes {self.train_sizes} must be (height, width) pairs of '
                f'multiples of stride {self.stride}'
            )
        if min(self.rgb_std) <= 0:
            raise CoreError(f'contract rgb_std {self.rgb_std} must be > 0')

    def to_json(self) -> str:
        """Serialise, with sorted keys so that equal contracts give equal strings."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls: type[_C], text: str) -> _C:
        """Parse JSON; raises `CoreError` that lists missing and unknown fields."""
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CoreError(f'contract is not JSON ({error}); export the model again') from None
        if not isinstance(raw, dict):
            raise CoreError(f'contract must be a JSON object, got {type(raw).__name__}')
        names = {f.name for f in fields(cls)}
        missing, unknown = sorted(names - raw.keys()), sorted(raw.keys() - names)
        if missing or unknown:
            raise CoreError(
                f'contract has missing fields {missing} and unknown fields {unknown}; '
                'export the model again with this version of dmd_ros'
            )
        return cls(**raw)


@dataclass(frozen=True)
class Contract(PictureContract):
    """The contract of a denoiser.

    depth_codec, depth_min_m, depth_max_m: see `core.depth_codec`.
    fov_encoding: how the field of view is fed to the network.
    parameterisation: the quantity that the network predicts.
    schedule: see `core.diffusion`.
    noise: 'gaussian', or 'zeros' for a model fine-tuned as a deterministic one-step regressor.
    steps, samples: recommended by the authors of the model.
    """

    depth_codec: str
    depth_min_m: float
    depth_max_m: float
    fov_encoding: str
    parameterisation: str
    schedule: str
    noise: str
    steps: int
    samples: int

    def __post_init__(self) -> None:
        """Check the fields that only a denoiser has."""
        super().__post_init__()
        _check_choices(self)
        _check_at_least_1(self, 'steps', 'samples')
        if self.noise == 'zeros' and (self.steps, self.samples) != (1, 1):
            raise CoreError(
                f'contract steps={self.steps} and samples={self.samples} must be 1 for noise '
                "'zeros' (a deterministic one-step model)"
            )
        if not 0 < self.depth_min_m < self.depth_max_m:
            raise CoreError(
                f'contract depth range {self.depth_min_m:g}..{self.depth_max_m:g} m; '
                '0 < depth_min_m < depth_max_m is required'
            )


@dataclass(frozen=True)
class FovContract(PictureContract):
    """The contract of a network that estimates tan(vfov / 2) of a picture with square pixels."""

    kind: str = field(default='fov', kw_only=True)

    def __post_init__(self) -> None:
        """Check the fields that only this kind of network has."""
        super().__post_init__()
        _check_choices(self)


def _check_choices(contract: PictureContract) -> None:
    for key in _CHOICES.keys() & {f.name for f in fields(contract)}:
        if getattr(contract, key) not in _CHOICES[key]:
            raise CoreError(
                f'contract {key}={getattr(contract, key)!r}; allowed: {", ".join(_CHOICES[key])}'
            )


def _check_at_least_1(contract: PictureContract, *keys: str) -> None:
    for key in keys:
        if getattr(contract, key) < 1:
            raise CoreError(f'contract {key}={getattr(contract, key)} must be >= 1')


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise CoreError(f'contract {key}={value!r} must be one non-empty line of text')
    return value


def _whole(key: str, value: Any) -> int:
    # bool is a subclass of int, but not a valid number here.
    if isinstance(value, bool) or not isinstance(value, int):
        raise CoreError(f'contract {key}={value!r} must be a whole number')
    return value


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        raise CoreError(f'contract {key}={value!r} must be a finite number')
    return float(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int too large for a float
        return False


def _tuple_of(convert: Callable[[str, Any], Any], length: int | None) -> Callable[[str, Any], Any]:
    def converted(key: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or length not in (None, len(value)):
            count = 'a list' if length is None else f'a list of {length}'
            raise CoreError(f'contract {key}={value!r} must be {count}')
        return tuple(convert(key, item) for item in value)

    return converted


_TYPES: dict[str, Callable[[str, Any], Any]] = {
    'name': _text,
    'kind': _text,
    'stride': _whole,
    'train_sizes': _tuple_of(_tuple_of(_whole, 2), None),
    'rgb_mean': _tuple_of(_number, 3),
    'rgb_std': _tuple_of(_number, 3),
    'depth_codec': _text,
    'depth_min_m': _number,
    'depth_max_m': _number,
    'fov_encoding': _text,
    'tan_half_vfov_range': _tuple_of(_number, 2),
    'parameterisation': _text,
    'schedule': _text,
    'noise': _text,
    'steps': _whole,
    'samples': _whole,
    'format': _whole,
}
