# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's stages as settings of the trainer, one entry each, with estimated costs.

    python -m train.run --preset dmd-nk --root nyu_folder=/data/nyu --root kitti=/data/kitti \
        --init runs/stage1 --out runs/dmd-nk
    python -m train.run --preset stage1:small --out unused --dry-run     # another size; cost only

--preset accepts a recipe instead of a size; 'recipe:size' uses another size than the paper's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from train import checkpoint
from train.config import TrainConfig, make_config
from train.errors import TrainError
from train.mixtures import parts_of, sources_text
from train.presets import PRESETS, preset
from train.sources import parse_sources
from train.speed import flops_per_sample
from train.unet import UNet, parameter_count

# Assumptions of the estimate: the dense bf16 rate of an H100 SXM by its data sheet, and the share
# of it that training reaches.
PEAK_FLOPS = 989e12
MFU = 0.35
BATCH = 64


@dataclass(frozen=True)
class Recipe:
    """One stage, trained on the mixture of the same name.

    steps: of `BATCH` samples. init: the stage whose run it starts from. note: which values are the
    paper's.
    """

    lr: float
    steps: int
    settings: tuple[str, ...]
    init: str | None
    note: str


# Common to all stages: the paper's depth range, codec, parameterisation and indoor size, 240x320.
# Batch, warm-up, averaging and the constant rate are ours.
_COMMON = (
    'depth_codec=log', 'depth_min_m=0.5', 'depth_max_m=80', 'parameterisation=v', 't1_fraction=0',
    'sizes=240x320', f'batch={BATCH}', 'optimizer=adamw', 'schedule=constant', 'cooldown=0',
    f'warmup={10_000 * BATCH}', f'ema={7_000 * BATCH}', 'picture_every=200000',
    'log_every=6400', 'checkpoint_every=640000',
)  # fmt: skip
_PICTURES = ('stage=stage0', 'fov_scale_min=0.5', 'fov_scale_max=1')
_NO_FOV = ('fov_scale_min=1', 'fov_scale_max=1')
_FOV = ('fov_scale_min=0.8', 'fov_scale_max=1.5')
_FINAL = (*_FOV, f'warmup={1_000 * BATCH}', f'checkpoint_every={2_500 * BATCH}')

# fmt: off
RECIPES = {
    'stage0': Recipe(1e-4, 500_000, _PICTURES, None,
                     "tasks and data are the paper's; rate and steps are ours"),
    'stage1': Recipe(1e-4, 1_500_000, _NO_FOV, 'stage0',
                     "data, rate and steps are the paper's, batch and weights ours"),
    'dmd-nk': Recipe(3e-5, 50_000, _FINAL, 'stage1',
                     "data, rate, steps and FOV augmentation are the paper's, batch ours"),
    'dmd-mix': Recipe(3e-5, 50_000, _FINAL, 'stage1',
                      "data, rate, steps and FOV augmentation are the paper's, batch ours"),
}
# fmt: on
# Sizes of the archives in GB as published; None: not published where we looked. docs/datasets.md
# explains what each figure covers. A test compares the two.
DISK_GB: dict[str, int | None] = {
    'imagenet': 148,
    'places365': 105,
    'scannet': 1_300,
    'scenenet': 263,
    'waymo': None,
    'diml_indoor': None,
    'nyu_folder': 4,
    'taskonomy': 11_160,
    'kitti': 189,
    'nuscenes': 315,
}  # fmt: skip


def configure(name: str, settings: list[str], roots: Mapping[str, str]) -> TrainConfig:
    """Build the config of 'size', 'recipe' or 'recipe:size' with settings applied.

    roots: of the recipe's datasets. Without roots, the `sources` of the config is '' unless the
    settings include it; only a dry run accepts that.
    """
    recipe_name, _, size = name.partition(':')
    if recipe_name not in RECIPES:
        if roots:
            known = ', '.join(RECIPES)
            raise TrainError(f'--root needs a recipe ({known}), not {name!r}')
        if name not in PRESETS:
            raise TrainError(
                f'preset {name!r} is unknown; allowed: {", ".join(PRESETS)}, or a recipe with the '
                f"paper's size or RECIPE:SIZE: {', '.join(RECIPES)}"
            )
        return make_config(name, settings)
    recipe = RECIPES[recipe_name]
    base = [*_COMMON, *recipe.settings, f'lr={recipe.lr}', f'total_samples={recipe.steps * BATCH}']
    sources = sources_text(recipe_name, roots) if roots else ''
    return make_config(size or 'paper', [*base, f'sources={sources}', *settings])


def needed_roots(name: str) -> list[str]:
    """Return the datasets that a recipe needs; empty for a plain size."""
    recipe_name = name.partition(':')[0]
    if recipe_name not in RECIPES:
        return []
    return [part.name for part in parts_of(recipe_name)]


def estimate(config: TrainConfig) -> dict[str, float]:
    """Estimate the cost of a run: FLOP, GPU hours at the assumed rate, GB of checkpoints."""
    spec = preset(config.preset).net
    per_sample = sum(
        share * flops_per_sample(spec, config.rays, size, config.channels)
        for size, share in zip(config.size_list, config.size_shares, strict=True)
    )
    flop = per_sample * config.total_samples
    with torch.device('meta'):
        count = parameter_count(UNet(spec, config.fov, config.rays, config.channels))
    # While a checkpoint is written, the old ones still exist.
    files = config.keep_checkpoints + checkpoint.SPACE_FACTOR
    return {
        'steps': config.total_samples / config.batch,
        'tflop_per_sample': per_sample / 1e12,
        'flop': flop,
        'gpu_hours': flop / (PEAK_FLOPS * MFU) / 3600,
        'checkpoints_gb': files * checkpoint.BYTES_PER_PARAMETER * count / 1e9,
    }


def describe(name: str, config: TrainConfig) -> str:
    """Describe the estimated cost of a run and, for a recipe, its data; for `--dry-run`."""
    cost = estimate(config)
    work = (
        f'{cost["steps"]:,.0f} steps of {config.batch}, {cost["tflop_per_sample"]:.3g} TFLOP per '
        f'sample (forward and backward), {cost["flop"]:.2e} FLOP'
    )
    rate = f'an H100 (bf16, {PEAK_FLOPS / 1e12:.0f} TFLOP/s by its data sheet) used to {MFU:.0%}'
    lines = [
        f'estimate, not measured: {work}',
        f'  {_gpu_time(cost["gpu_hours"])} on {rate}, assuming that loading data is no bottleneck',
        f'  checkpoints: {_size(cost["checkpoints_gb"])}',
    ]
    recipe_name = name.partition(':')[0]
    if recipe_name in RECIPES:
        recipe = RECIPES[recipe_name]
        lines.insert(0, f'recipe {recipe_name}: {recipe.note}')
        if not config.sources or _kinds(recipe_name) <= _kinds_in(config.sources):
            lines.append(f'  data: {_disk(needed_roots(name))} (docs/datasets.md)')
        if recipe.init:
            lines.append(f'  starts from a run of {recipe.init}: --init RUN')
    return '\n'.join(lines)


def _gpu_time(hours: float) -> str:
    """Format hours, or minutes for runs shorter than one hour."""
    if hours >= 1.0:
        return f'{hours:,.1f} GPU hours'
    return f'{60.0 * hours:.1f} GPU minutes' if hours >= 1.0 / 60.0 else 'less than a GPU minute'


def _size(gb: float) -> str:
    return f'{gb:.1f} GB' if gb >= 1.0 else f'{1000.0 * gb:.0f} MB'


def _kinds(recipe_name: str) -> Counter[str]:
    return Counter(part.dataset for part in parts_of(recipe_name))


def _kinds_in(sources: str) -> Counter[str]:
    return Counter(name.partition(':')[0] for name, _ in parse_sources(sources))


def _disk(names: list[str]) -> str:
    known = {name: DISK_GB[name] for name in names}
    total = sum(size for size in known.values() if size is not None)
    parts = [f'{name} {size:,}' if size is not None else f'{name} unknown'
             for name, size in known.items()]  # fmt: skip
    more = ' and more' if None in known.values() else ''
    return f'about {total:,} GB{more} on disk as published ({", ".join(parts)})'
