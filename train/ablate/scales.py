# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the ablations, one entry per scale."""

from __future__ import annotations

from dataclasses import dataclass

from train.errors import TrainError


@dataclass(frozen=True)
class Scale:
    """Size of the ablations.

    preset: preset of the net.
    size: (height, width) of training.
    frame: (height, width) of rendered pictures, 1 / 0.8 of size, so that the narrowest virtual
    camera still has one rendered pixel per pixel.
    samples: per model trained from scratch.
    seeds: 0..seeds-1.
    train_frames, test_frames: per data set.
    speaks: whether the results are meaningful; those of a smoke test never enter the docs.
    """

    preset: str
    size: tuple[int, int]
    frame: tuple[int, int]
    samples: int
    batch: int
    seeds: int
    train_frames: int
    test_frames: int
    speaks: bool = True


# fmt: off
SCALES = {
    # preset, net's size, frame, samples, batch, seeds, frames to train on, frames per test set
    'smoke': Scale('micro', (32, 32), (40, 40), 16, 8, 2, 512, 2, speaks=False),
    'reduced': Scale('nano', (48, 64), (60, 80), 32_000, 16, 5, 8_192, 128),  # 2 CPU cores
    'full': Scale('tiny', (96, 128), (120, 160), 500_000, 128, 5, 131_072, 256),  # one GPU
}
# fmt: on


def scale(name: str) -> Scale:
    """Look up a scale; raises `TrainError` for an unknown one."""
    if name not in SCALES:
        raise TrainError(f'scale {name!r} is unknown; allowed: {", ".join(SCALES)}')
    return SCALES[name]
