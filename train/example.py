# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a RawSample into a training example, with the robot's own preprocessing."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.contract import Contract
from dmd_ros.core.depth_codec import encode
from dmd_ros.core.preprocess import View, cut_rgb, normalise, prepare_depth
from dmd_ros.core.records import RawSample
from train.augment import draw_view, fill_outside
from train.config import TrainConfig
from train.infill import infill
from train.photometric import photometric


@dataclass(frozen=True)
class Example:
    """Arrays of one example, or of a batch with a leading B.

    rgb: [3, h, w] normalised. code: [1, h, w] depth code without holes. labelled: [1, h, w] bool.
    noise: [1, h, w] standard normal. t, tan_half_vfov: scalars. (Stage 0: 3 channels each.)
    """

    rgb: NDArray[np.float32]
    code: NDArray[np.float32]
    labelled: NDArray[np.bool_]
    noise: NDArray[np.float32]
    t: NDArray[np.float32]
    tan_half_vfov: NDArray[np.float32]


def make_example(
    raw: RawSample,
    size: tuple[int, int],
    t: float,
    rng: np.random.Generator,
    config: TrainConfig,
    contract: Contract,
) -> Example:
    """Draw a virtual camera and cut the example from the sample."""
    view = draw_view(rng, raw.camera, size, config)
    rgb = fill_outside(rng, photometric(rng, cut_rgb(raw.rgb, view), config.photometric), view)
    noise = rng.standard_normal((1, *size), np.float32)
    return assemble(rgb, raw, view, t, noise, contract, config.infill)


def assemble(
    rgb: NDArray[np.uint8],
    raw: RawSample,
    view: View,
    t: float,
    noise: NDArray[np.float32],
    contract: Contract,
    infill_method: str,
) -> Example:
    """Assemble an example from the cut picture and the sample's depth in the same view."""
    code = encode(prepare_depth(raw.depth, view), contract)
    return Example(
        rgb=normalise(rgb, contract)[0],
        code=np.ascontiguousarray(infill(code, infill_method))[None],
        labelled=~np.isnan(code)[None],
        noise=noise,
        t=np.float32(t),
        tan_half_vfov=np.float32(view.camera.tan_half_vfov),
    )


def stack(examples: list[Example]) -> Example:
    """Stack examples of one size into a batch."""
    return Example(
        **{f.name: np.stack([getattr(e, f.name) for e in examples]) for f in fields(Example)}
    )
