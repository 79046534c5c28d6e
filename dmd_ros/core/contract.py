# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a model file promises: everything that the runtime must know to feed it correctly.

The contract travels inside the ONNX file as JSON metadata, so weights and preprocessing cannot be
mixed up, and no preprocessing parameter lives in YAML.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from dmd_ros.core.errors import CoreError

METADATA_KEY = 'dmd_contract'
FORMAT = 1

_CHOICES = {
    'depth_codec': ('log', 'linear'),
    'parameterisation': ('v', 'eps', 'x0'),
    'schedule': ('cosine',),
    'fov_encoding': ('tan_half_vfov', 'none'),
    'noise': ('gaussian', 'zeros'),
}


@dataclass(frozen=True)
class Contract:
    """The promise of one denoiser.

    name: model name, for logs. stride: input height and width must be multiples of it.
    train_sizes: (height, width) pairs, pixels, that the model saw in training; the first is the
    default, and its area is kept for other aspects. rgb_mean, rgb_std: the network is fed
    (rgb / 255 - mean) / std. depth_codec, depth_min_m, depth_max_m: see `core.depth_codec`.
    fov_encoding, tan_half_vfov_range: what is fed as field of view, and the range trained for.
    parameterisation: what the network predicts. schedule: see `core.diffusion`.
    noise: 'zeros' for a model fine-tuned end to end as a deterministic one-step regressor.
    steps, samples: what the model's maker recommends.
    Raises `CoreError` for values that cannot be.
    """

    name: str
    stride: int
    train_sizes: tuple[tuple[int, int], ...]
    rgb_mean: tuple[float, float, float]
    rgb_std: tuple[float, float, float]
    depth_codec: str
    depth_min_m: float
    depth_max_m: float
    fov_encoding: str
    tan_half_vfov_range: tuple[float, float]
    parameterisation: str
    schedule: str
    noise: str
    steps: int
    samples: int
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Refuse a contract that contradicts itself."""
        if self.format != FORMAT:
            raise CoreError(
                f'contract format {self.format} is not supported (this version reads {FORMAT}); '
                'export the model again with the matching dmd_ros version'
            )
        for key, allowed in _CHOICES.items():
            if getattr(self, key) not in allowed:
                raise CoreError(
                    f'contract {key}={getattr(self, key)!r}; allowed: {", ".join(allowed)}'
                )
        if not 0 < self.depth_min_m < self.depth_max_m:
            raise CoreError(
                f'contract depth range {self.depth_min_m}..{self.depth_max_m} m; '
                '0 < depth_min_m < depth_max_m is needed'
            )
        if self.stride < 1 or self.steps < 1 or self.samples < 1:
            raise CoreError('contract stride, steps and samples must be >= 1')
        if not self.train_sizes or any(
            size < 1 or size % self.stride for pair in self.train_sizes for size in pair
        ):
            raise CoreError(
                f'contract train_sizes {self.train_sizes} must be (height, width) pairs of '
                f'multiples of stride {self.stride}'
            )
        if min(self.rgb_std) <= 0:
            raise CoreError(f'contract rgb_std {self.rgb_std} must be > 0')

    def to_json(self) -> str:
        """Serialise, with sorted keys so that equal contracts are equal strings."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Parse; raises `CoreError` that lists missing and unknown fields."""
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
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
        try:
            return cls(**{key: _frozen(value) for key, value in raw.items()})
        except TypeError as error:
            raise CoreError(f'contract has a field of the wrong type ({error})') from None


def _frozen(value: Any) -> Any:
    """Turn JSON lists into tuples, so that contracts are hashable and comparable."""
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
