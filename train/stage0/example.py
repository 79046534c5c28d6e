# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a training example of stage 0: a spoilt picture, and the original to denoise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.contract import Contract
from dmd_ros.core.preprocess import View, cut_rgb, normalise, outside
from dmd_ros.core.records import RawSample
from train.augment import draw_view
from train.config import TrainConfig
from train.example import Example
from train.stage0.tasks import TASKS


def make_picture_example(
    raw: RawSample,
    size: tuple[int, int],
    t: float,
    rng: np.random.Generator,
    config: TrainConfig,
    contract: Contract,
) -> Example:
    """Cut a picture from the sample as for depth, draw a task, and spoil the picture.

    The sample's depth is ignored. Its colours are not augmented, because they are the target.
    """
    view = draw_view(rng, raw.camera, size, config)
    task = list(TASKS)[int(rng.integers(len(TASKS)))]
    return spoil(raw.rgb, view, task, t, rng, contract)


def spoil(
    rgb: NDArray[np.uint8],
    view: View,
    task: str,
    t: float,
    rng: np.random.Generator,
    contract: Contract,
) -> Example:
    """Return the example of one task.

    rgb [3, h, w]: the spoilt picture, with noise in missing pixels.
    code [3, h, w]: the original.
    labelled [3, h, w]: pixels that count in the loss: those that the task removed, or all if none;
    never those outside the camera's picture, which are missing too.
    """
    whole = cut_rgb(rgb, view)
    spoilt, gone = TASKS[task](rng, whole)
    unknown = np.zeros_like(gone) if view.is_inside else outside(view)
    judged = (gone if gone.any() else np.ones_like(gone)) & ~unknown
    condition = normalise(spoilt, contract)[0]
    noise = rng.standard_normal((2, *condition.shape), np.float32)
    return Example(
        rgb=np.where(gone | unknown, noise[0], condition),
        code=normalise(whole, contract)[0],
        labelled=np.repeat(judged[None], 3, axis=0),
        noise=noise[1],
        t=np.float32(t),
        tan_half_vfov=np.float32(view.camera.tan_half_vfov),
    )
