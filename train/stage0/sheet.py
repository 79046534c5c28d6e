# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Show what stage 0 has learned: python -m train.stage0.sheet RUN --out sheet.png.

For every task: the spoilt picture, the original with noise, its restoration in one step, a
restoration from pure noise in several steps, and the original.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dmd_ros.core.contract import Contract
from dmd_ros.core.diffusion import (
    add_noise,
    alpha_sigma,
    sample,
    trailing_times,
    x0_eps_from_prediction,
)
from dmd_ros.core.preprocess import full_view
from dmd_ros.eval.options import count, positive
from dmd_ros.eval.output import canvas
from dmd_ros.eval.output.sheet import write_picture
from train import checkpoint
from train.config import TrainConfig
from train.errors import TrainError, in_one_line
from train.example import Example
from train.loop import build_net
from train.outputs import check_picture
from train.report import picture_of
from train.sources import open_source, parse_sources
from train.stage0.example import spoil
from train.stage0.tasks import TASKS
from train.unet import UNet
from train.worlds import SCENE_STRIDE

# Diffusion time of the noisy picture.
NOISY_AT = 0.7
COLUMNS = ('spoilt', f'noisy, t = {NOISY_AT}', 'denoised at once', 'from noise', 'original')
_COLUMN, _GAP, _MARGIN, _CAPTION = 192, 6, 16, 30


def main(arguments: list[str] | None = None) -> int:
    """Parse, restore, draw."""
    parser = argparse.ArgumentParser(prog='python -m train.stage0.sheet', description=__doc__)
    add = parser.add_argument
    add('run', type=Path, help='run folder of stage 0, or one of its checkpoints')
    add('--out', type=Path, required=True, help='the picture to write')
    add('--source', help="source of pictures, as in `sources` (default: the run's)")
    add('--pictures', type=positive, default=2, help='pictures per task (default: %(default)s)')
    add('--steps', type=positive, default=16, help='sampler steps (default: %(default)s)')
    add('--seed', type=count, default=0, help='seed of all noise (default: %(default)s)')
    options = parser.parse_args(arguments)
    return in_one_line(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    check_picture(options.out)
    net, config = load(options.run)
    source = options.source or parse_sources(config.sources)[0][0]
    picture = draw(net, config, source, options.pictures, options.steps, options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_picture(options.out, picture)
    print(f'wrote {options.out}')


def load(run: Path) -> tuple[UNet, TrainConfig]:
    """Read the averaged weights of a run of stage 0; raises `TrainError` for any other run."""
    state = checkpoint.find(run)
    config = TrainConfig.from_json(state['config'])
    if config.stage != 'stage0':
        raise TrainError(f'{run} was trained with stage={config.stage}; give a run of stage0')
    net = build_net(config)
    net.load_state_dict(state['ema'])
    return net.eval(), config


def draw(
    net: UNet, config: TrainConfig, source: str, pictures: int, steps: int, seed: int
) -> NDArray[np.uint8]:
    """Draw the sheet, uint8 [H, W, 3]."""
    contract, frames = config.contract(), open_source(source, config)
    rows = []
    for number, task in enumerate(TASKS):
        for index in range(pictures):
            rng = np.random.default_rng((seed, number, index))
            key = (number * pictures + index) * SCENE_STRIDE
            raw = frames.load(key % len(frames) if len(frames) else key)
            view = full_view(raw.camera, contract)
            example = spoil(raw.rgb, view, task, NOISY_AT, rng, contract)
            rows.append(_row(columns_of(net, example, steps, rng, contract), task))
    return np.vstack(_same_width(rows))


def columns_of(
    net: UNet, example: Example, steps: int, rng: np.random.Generator, contract: Contract
) -> list[NDArray[np.uint8]]:
    """Return the pictures of one row, each uint8 [h, w, 3], in the order of `COLUMNS`."""
    alpha, sigma = alpha_sigma(NOISY_AT)
    noisy = add_noise(example.code, example.noise, alpha, sigma)
    at_once, _ = _denoise(net, example, noisy, NOISY_AT, contract)
    start = rng.standard_normal(example.code.shape, np.float32)
    restored = sample(
        lambda z, t: _denoise(net, example, z, t, contract), start, trailing_times(steps)
    )
    planes = (example.rgb, noisy, at_once, restored, example.code)
    return [picture_of(p, contract) for p in planes]


@torch.no_grad()
def _denoise(
    net: UNet, example: Example, z: NDArray[np.float32], t: float, contract: Contract
) -> tuple[Any, Any]:
    """Estimate picture and noise [3, h, w]; pixels outside the loss are taken as known."""
    feeds = (example.rgb, z, np.float32(t), example.tan_half_vfov)
    prediction = net(*(torch.as_tensor(feed)[None] for feed in feeds))[0].numpy()
    alpha, sigma = alpha_sigma(t)
    x, _ = x0_eps_from_prediction(prediction, z, alpha, sigma, contract.parameterisation)
    x = np.where(example.labelled, x.clip(-1.0, 1.0), example.code)
    return x, (z - alpha * x) / sigma


def _row(pictures: list[NDArray[np.uint8]], task: str) -> NDArray[np.uint8]:
    """Draw a row: captions, and the pictures enlarged by an integer factor."""
    height, width = pictures[0].shape[:2]
    times = max(1, round(_COLUMN / width))
    block = np.full(
        (_CAPTION + height * times, _MARGIN + len(COLUMNS) * (width * times + _GAP), 3),
        canvas.PAPER, np.uint8,
    )  # fmt: skip
    for column, (picture, title) in enumerate(zip(pictures, COLUMNS, strict=True)):
        left = _MARGIN + column * (width * times + _GAP)
        canvas.write(block, left, 8, title if column else task, 14, canvas.FAINT)
        large = picture.repeat(times, axis=0).repeat(times, axis=1)
        block[_CAPTION:, left : left + width * times] = large
    return block


def _same_width(rows: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    width = max(row.shape[1] for row in rows)
    return [
        np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=canvas.PAPER[0])
        for row in rows
    ]


if __name__ == '__main__':
    sys.exit(main())
