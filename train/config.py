# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of a training run, in one frozen record that is printed before work starts."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, get_type_hints

from dmd_ros.core.contract import Contract
from dmd_ros.core.errors import CoreError
from train.errors import TrainError
from train.infill import METHODS as INFILL_METHODS
from train.presets import preset

# Settings that may differ when a run is resumed: they change how long and how fast it runs and
# what it reports, never its losses. (total_samples moves the end of the schedule: an extension.
# assets: the folder may have moved, but its content must be the same.)
RESUMABLE = (
    'total_samples', 'threads', 'workers', 'log_every', 'checkpoint_every', 'validate_every',
    'picture_every', 'keep_checkpoints', 'validation', 'validation_frames', 'assets',
)  # fmt: skip

# The largest value of any setting: integers up to it fit into 64 bits.
_MOST = 1e18
# Settings that must be at least 1; all other numbers may be 0.
_AT_LEAST_1 = (
    'batch', 'total_samples', 'log_every', 'checkpoint_every', 'keep_checkpoints',
    'validate_every', 'picture_every', 'validation_frames', 'first_parts', 'store_parts', 'reuse',
)  # fmt: skip

# Number of seeds for training; `train.worlds.held_out` maps evaluation to seeds above them.
_SEEDS = 1 << 32

# Kinds of procedural world, repeated here because importing the renderer would import numba.
WORLD_KINDS = ('indoor', 'tabletop', 'outdoor')


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one run. All amounts of training are counted in samples seen."""

    # Network.
    preset: str = 'nano'  # network size, see `train.presets`
    rays: bool = False  # ray directions as input channels
    fov: bool = True  # condition on the field of view

    # Contract, see `dmd_ros.core.contract`.
    depth_codec: str = 'log'
    depth_min_m: float = 0.1
    depth_max_m: float = 80.0
    parameterisation: str = 'v'
    tan_half_vfov_min: float = 0.2
    tan_half_vfov_max: float = 1.2

    # Data.
    sources: str = 'worlds@1'  # 'kind[:path]@weight,...', see `train.sources`
    assets: str = ''  # folder of photographic materials for worlds
    # 'HxW[@weight],...': each batch draws one; the first is the contract's default.
    sizes: str = '192x256,160x288,128x416'
    infill: str = 'nearest'  # how holes in the target are filled

    # Worlds: rendered by the 'workers' that make batches, or on the training 'device'. The other
    # settings apply to the device only, see `train.device_worlds`.
    worlds_on: str = 'workers'
    kinds: str = ''  # 'indoor=0.4,...'; empty: the default mix
    reuse: float = 2.0  # how often a frame is used
    first_parts: int = 24  # parts (of 96 frames) rendered before the first batch
    store_parts: int = 240  # parts kept

    # Augmentation. The renderer chooses the virtual camera of worlds rendered on the device:
    # fov_scale, aspect_jitter, centre_jitter and photometric's JPEG apply to other sources only.
    fov_scale_min: float = 0.8  # both 1: off
    fov_scale_max: float = 1.5
    aspect_jitter: float = 0.03
    centre_jitter: float = 0.02
    flip: bool = True
    photometric: float = 1.0  # strength; 0: off

    # Objective: 'diffusion'; 'end_to_end' (t = 1, zeros as noise, L1 on x_hat); 'stage0' (restores
    # pictures, without depth, see `train.stage0`); 'fov' (see `train.fov`).
    stage: str = 'diffusion'
    t1_fraction: float = 0.0  # share of samples at t = 1 exactly
    unroll: float = 0.0  # share of batches that start from the network's own estimate
    gradient_weight: float = 0.0  # weight of the gradient-matching term

    # Optimiser.
    seed: int = 0
    batch: int = 16  # samples, over all processes
    total_samples: int = 1_000_000
    # Minutes of training after which the run ends, with its schedule completed; 0: no limit. For
    # a machine on loan. The losses then depend on the speed of the machine.
    minutes: float = 0.0
    lr: float = 1e-3
    optimizer: str = 'adamw'  # or 'muon', with the same lr
    schedule: str = 'cosine'  # or 'constant', with a linear cool-down
    warmup: int = 5_000
    cooldown: float = 0.2  # the last share of the run
    weight_decay: float = 0.01
    clip: float = 1.0  # maximum norm of the gradient
    ema: int = 50_000  # half-life

    # Machine.
    precision: str = 'auto'  # of products: 'bf16', 'fp32'; 'auto': bf16 where natively supported
    compile: bool = False
    # Threads of the trainer; 0: all cores. If other work occupies a core, use one thread less:
    # OpenMP threads wait for each other, and a shared core slows training several times.
    threads: int = 0
    workers: int = 2  # single-threaded processes that make batches ahead
    log_every: int = 2_000
    checkpoint_every: int = 20_000
    keep_checkpoints: int = 2
    validate_every: int = 50_000
    picture_every: int = 20_000
    validation: str = ''  # 'kind[:path],...'
    validation_frames: int = 64  # over all sources together
    max_broken_share: float = 0.01  # tolerated share of samples that cannot be read

    # Recommended to users of the model.
    steps: int = 1
    samples: int = 1

    def __post_init__(self) -> None:
        """Reject settings that cannot work, before any work is done."""
        _one_of('precision', self.precision, ('auto', 'bf16', 'fp32'))
        _one_of('stage', self.stage, ('diffusion', 'end_to_end', 'stage0', 'fov'))
        if self.stage == 'stage0':
            self._check_stage0()
        _one_of('optimizer', self.optimizer, ('adamw', 'muon'))
        _one_of('schedule', self.schedule, ('cosine', 'constant'))
        _one_of('worlds_on', self.worlds_on, ('workers', 'device'))
        _one_of('infill', self.infill, INFILL_METHODS)
        self._check_numbers()
        for key in ('t1_fraction', 'unroll', 'cooldown', 'max_broken_share'):
            if not 0 <= getattr(self, key) <= 1:
                raise TrainError(f'{key}={getattr(self, key)} must be a share in 0..1')
        if self.worlds_on == 'device' and self.first_parts < len(self.size_list):
            raise TrainError(
                f'first_parts={self.first_parts} must be >= the number of sizes, '
                f'{len(self.size_list)}: the first parts must contain every size'
            )
        if self.kinds and self.worlds_on != 'device':
            raise TrainError(
                f'kinds={self.kinds!r} needs worlds_on=device; for workers, render a cache: '
                'python -m train.worlds.cache --kinds'
            )
        if not 0 < self.fov_scale_min <= self.fov_scale_max:
            raise TrainError(
                f'fov_scale {self.fov_scale_min}..{self.fov_scale_max} must be 0 < min <= max'
            )
        self.contract()
        _ = self.size_shares, self.kind_shares

    def _check_numbers(self) -> None:
        for key, value in dataclasses.asdict(self).items():
            low = 1 if key in _AT_LEAST_1 else 0
            if not isinstance(value, str) and not low <= value <= _MOST:
                raise TrainError(f'{key}={value} must be >= {low} and <= {_MOST:g}')
        if not self.clip:
            raise TrainError('clip=0 would prevent learning; to disable clipping, use 1e9')

    def _check_stage0(self) -> None:
        if self.validation:
            raise TrainError(
                f'validation={self.validation!r} measures depth, which stage0 does not predict; '
                'leave it out and look at python -m train.stage0.sheet RUN'
            )
        if self.worlds_on == 'device':
            raise TrainError(
                'worlds_on=device does not support stage0, which degrades pictures in the worker '
                'processes; set worlds_on=workers'
            )

    @property
    def channels(self) -> int:
        """Channels of the denoised signal: 1 for a depth code, 3 for the picture of stage 0."""
        return 3 if self.stage == 'stage0' else 1

    @property
    def size_list(self) -> tuple[tuple[int, int], ...]:
        """Training sizes as (height, width) pairs."""
        stride = preset(self.preset).net.stride
        pairs = []
        for text in (part.partition('@')[0] for part in self.sizes.split(',')):
            try:
                height, width = (int(side) for side in text.split('x'))
            except ValueError:
                raise TrainError(f'sizes={self.sizes!r}: {text!r} is not HEIGHTxWIDTH') from None
            if height < stride or width < stride or height % stride or width % stride:
                near = f'{_round(height, stride)}x{_round(width, stride)}'
                raise TrainError(
                    f'size {height}x{width} is impossible: preset {self.preset} needs positive '
                    f'multiples of {stride}; nearest: {near}'
                )
            pairs.append((height, width))
        return tuple(pairs)

    @property
    def size_shares(self) -> tuple[float, ...]:
        """Share of batches for each training size."""
        weights = [part.partition('@')[2] or '1' for part in self.sizes.split(',')]
        return _shares(f'sizes={self.sizes!r}', weights)

    @property
    def kind_shares(self) -> dict[str, float] | None:
        """Share of each kind of world rendered on the device; None: the default mix."""
        if not self.kinds:
            return None
        pairs = [part.partition('=') for part in self.kinds.split(',')]
        shares = _shares(f'kinds={self.kinds!r}', [weight for _, _, weight in pairs])
        kinds = {name.strip(): share for (name, _, _), share in zip(pairs, shares, strict=True)}
        for name in kinds:
            _one_of('kinds', name, WORLD_KINDS)
        return kinds

    def contract(self) -> Contract:
        """Return the contract of a model trained with these settings."""
        end_to_end = self.stage == 'end_to_end'
        try:
            return Contract(
                name=f'dmd-{self.preset}',
                stride=preset(self.preset).net.stride,
                train_sizes=self.size_list,
                rgb_mean=(0.5, 0.5, 0.5),
                rgb_std=(0.5, 0.5, 0.5),
                depth_codec=self.depth_codec,
                depth_min_m=self.depth_min_m,
                depth_max_m=self.depth_max_m,
                fov_encoding='tan_half_vfov' if self.fov else 'none',
                tan_half_vfov_range=(self.tan_half_vfov_min, self.tan_half_vfov_max),
                parameterisation=self.parameterisation,
                schedule='cosine',
                noise='zeros' if end_to_end else 'gaussian',
                steps=1 if end_to_end else self.steps,
                samples=1 if end_to_end else self.samples,
            )
        except CoreError as error:
            raise TrainError(str(error)) from None

    def to_json(self) -> str:
        """Serialise to JSON, for the run folder and the checkpoint."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Restore a config; settings added by a newer version get their defaults."""
        values = json.loads(text)
        unknown = sorted(values.keys() - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise TrainError(
                f'config has settings {unknown} that this version does not know; use the version '
                'that wrote it (revision.txt in its run folder)'
            )
        return cls(**values)

    def changed(self, settings: list[str]) -> TrainConfig:
        """Return a copy with 'key=value' settings applied."""
        return _with(dataclasses.asdict(self), settings)

    def describe(self) -> str:
        """Format one setting per line, for the log."""
        return '\n'.join(f'  {key} = {value}' for key, value in dataclasses.asdict(self).items())


def make_config(preset_name: str, settings: list[str]) -> TrainConfig:
    """Build the config of a preset with 'key=value' settings applied."""
    return _with({'preset': preset_name, 'lr': preset(preset_name).lr}, settings)


def read_settings(settings: list[str]) -> dict[str, Any]:
    """Parse 'key=value' settings by type, without checking combinations; raises `TrainError`."""
    hints = get_type_hints(TrainConfig)
    del hints['preset']  # it has its own command-line option
    values = {}
    for text in settings:
        key, separator, value = text.partition('=')
        if not separator:
            raise TrainError(f'--set {text!r} is not key=value')
        if key not in hints:
            raise TrainError(f'unknown setting {key!r}; allowed: {", ".join(sorted(hints))}')
        values[key] = _parse(key, value, hints[key])
    return values


def _with(values: dict[str, Any], settings: list[str]) -> TrainConfig:
    config = TrainConfig(**values | read_settings(settings))
    if config.seed >= _SEEDS:
        raise TrainError(f'seed={config.seed} must be < {_SEEDS}: larger seeds are held out')
    return config


def check_resumable(old: TrainConfig, new: TrainConfig) -> None:
    """Raise `TrainError` if resuming with new settings would change the losses of the run."""
    before, now = dataclasses.asdict(old), dataclasses.asdict(new)
    changed = [key for key in now if now[key] != before[key] and key not in RESUMABLE]
    if changed:
        lines = '\n'.join(f'  {key}: {before[key]} -> {now[key]}' for key in changed)
        raise TrainError(
            f'cannot resume with changed settings:\n{lines}\nuse the old ones (without --preset, '
            'train.run and train.fov read them from the run), or start a new run from its weights '
            '(--init CHECKPOINT; train.finetune: --model, with the model that train.export '
            f'writes). These may change: {", ".join(RESUMABLE)}'
        )


def _parse(key: str, value: str, kind: type) -> Any:
    if kind is bool:
        if value.lower() not in ('true', 'false', '1', '0'):
            raise TrainError(f'{key}={value!r} must be true or false')
        return value.lower() in ('true', '1')
    try:
        if kind is int and 'e' in value.lower():  # 1e6
            number = float(value)
            if not number.is_integer():
                raise ValueError
            return int(number)
        return kind(value)
    except ValueError:
        raise TrainError(f'{key}={value!r} is not a {kind.__name__}') from None


def _shares(setting: str, weights: list[str]) -> tuple[float, ...]:
    try:
        numbers = [float(weight) for weight in weights]
    except ValueError:
        raise TrainError(f'{setting}: a weight is not a number') from None
    if not all(0 < number < math.inf for number in numbers):
        raise TrainError(f'{setting}: weights must be > 0')
    return tuple(number / sum(numbers) for number in numbers)


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise TrainError(f'{key}={value!r}; allowed: {", ".join(allowed)}')


def _round(value: int, stride: int) -> int:
    return max(stride, round(value / stride) * stride)
