# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of the depth of labelled frames: a model, or files of existing estimates.

FOLDER/<name>.npy is float metres [h, w], FOLDER/<name>.png uint16 millimetres; either may also be
in a folder per frame, as FOLDER/<name>/depth.npy or .png. NaN and values not above 0 are missing
estimates, which lower the coverage. +inf is judged as the far end of the estimator's range. A file
of another size than the picture must have the same view, and is sampled by the nearest pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval import metrics
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.estimates import infinities_judged_as, no_floor, on_image
from dmd_ros.eval.frame_files import has_depth, read_depth
from dmd_ros.eval.frame_folder import LabelledFrame
from dmd_ros.eval.judge import predict


@dataclass(frozen=True)
class FrameEstimate:
    """Depth of one frame, float32 [H, W] metres on its picture's grid."""

    # Infinities replaced with the ends of the estimator's range, if that is known.
    settled: NDArray[np.float32]
    raw: NDArray[np.float32]  # with infinities
    timings: Mapping[str, float] = field(default_factory=dict)  # seconds per stage; may be empty


class FrameSource(Protocol):
    """Returns the depth of frames.

    floorless: names of the frames that were not scaled although the camera's height is known.
    """

    floorless: list[str]

    def __call__(self, frame: LabelledFrame) -> FrameEstimate:
        """Return the depth of one frame; raises `EvalError` with the reason if there is none."""

    def doubt(self, frame: LabelledFrame) -> str:
        """Return a warning about a frame, before it is estimated, or ''."""

    def warnings(self) -> list[str]:
        """Return warnings about all frames so far."""

    def close(self) -> None:
        """Release all resources."""


class ModelFrames:
    """An estimator as a `FrameSource`; mirror: see `dmd_ros.eval.judge.predict`."""

    def __init__(self, estimator: DepthEstimator, mirror: bool) -> None:
        """Take ownership of the estimator."""
        self._estimator, self._mirror = estimator, mirror
        self.floorless: list[str] = []
        self._count = 0

    def __call__(self, frame: LabelledFrame) -> FrameEstimate:
        """Run the model."""
        sample = frame.sample
        made, settled = predict(self._estimator, sample.rgb, sample.camera, self._mirror)
        self._count += 1
        if made.floor is not None and made.floor.scale is None:
            self.floorless.append(frame.name)
        return FrameEstimate(settled, settled if self._mirror else made.depth, made.timings)

    def doubt(self, frame: LabelledFrame) -> str:
        """Return a warning if the model was not trained for the camera."""
        return self._estimator.untrained_for(frame.sample.camera)

    def warnings(self) -> list[str]:
        """Return why the floor cannot give the scale, and in which frames it did not."""
        doubts = [self._estimator.doubt_of_mount()]
        if self.floorless:
            doubts.append(no_floor(len(self.floorless), self._count, self.floorless))
        return list(filter(None, doubts))

    def close(self) -> None:
        """Release the estimator."""
        self._estimator.close()


class FileFrames:
    """Files of a folder as a `FrameSource`.

    range_m: what infinities are judged as; assumed: whether that is a guess.
    """

    def __init__(self, folder: Path, range_m: tuple[float, float], assumed: bool) -> None:
        """Check the folder; raises `EvalError` if it does not exist."""
        if not folder.is_dir():
            raise EvalError(f'{folder} is not a folder; give one with <name>.npy or .png in it')
        self.floorless: list[str] = []
        self._folder, self._range_m, self._assumed = folder, range_m, assumed
        self._count = self._infinite = 0

    def __call__(self, frame: LabelledFrame) -> FrameEstimate:
        """Read the estimate of one frame; raises `EvalError` if there is not exactly one file."""
        stems = (self._folder / frame.name, self._folder / frame.name / 'depth')
        found = [stem for stem in stems if has_depth(stem)]
        if len(found) != 1:
            names = f'{frame.name}.npy, {frame.name}.png, {frame.name}/depth.npy or depth.png'
            which = 'more than one' if found else 'none'
            raise EvalError(f'{self._folder} has {which} of {names}; exactly one is needed')
        raw = on_image(read_depth(found[0], None), frame.sample.camera)
        self._count += 1
        self._infinite += bool(np.isinf(raw).any())
        settled = raw if self._assumed else metrics.settle(raw, *self._range_m)
        return FrameEstimate(settled, raw)

    def doubt(self, _: LabelledFrame) -> str:
        """Return '': it is unknown which cameras the estimator was trained for."""
        return ''

    def warnings(self) -> list[str]:
        """Warn if infinities are judged by a guessed range."""
        if not (self._assumed and self._infinite):
            return []
        return [f'{self._infinite} of {self._count} frames: {infinities_judged_as(self._range_m)}']

    def close(self) -> None:
        """Do nothing: no file stays open."""
