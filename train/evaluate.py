# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m train.evaluate MODEL.onnx`: accuracy on held-out procedural worlds, kind by kind.

The worlds come from held-out seeds, which training never draws from. Prints a Markdown table for
the model card, with the best single depth per frame (an oracle) beside the model.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from tqdm import tqdm

from dmd_ros.core.depth_codec import valid
from dmd_ros.core.errors import CoreError
from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.baselines import best_const
from dmd_ros.eval.metrics import Score, mean_score, score, settle
from dmd_ros.loading import load_estimator
from dmd_ros.runtime.errors import BackendError
from train.worlds import KINDS, Assets, WorldConfig, Worlds, held_out

# Views of one scene follow each other; a prime stride meets a new scene each time.
_STRIDE = 7


def main(arguments: list[str] | None = None) -> int:
    """Parse, evaluate every kind of world, print the table."""
    options = _parse(arguments)
    try:
        estimator = load_estimator(
            options.model, backend='onnxruntime', steps=options.steps, samples=options.samples
        )
    except (BackendError, CoreError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    assets = Assets.load(options.assets) if options.assets else None
    print('| held-out worlds | frames | AbsRel | delta1 | RMSE m | AbsRel of the best constant |')
    print('|---|---|---|---|---|---|')
    every: list[tuple[Score, Score]] = []
    for kind in KINDS:
        worlds = Worlds(held_out(options.seed), WorldConfig(kinds={kind: 1.0}), assets)
        indices = range(0, options.frames * _STRIDE, _STRIDE)
        pairs = [
            judge(estimator, worlds[index])
            for index in tqdm(indices, desc=kind, unit='frame', file=sys.stderr)
        ]
        every += pairs
        print(_row(kind, pairs))
    print(_row('all', every))
    return 0


def judge(estimator: DepthEstimator, raw: RawSample) -> tuple[Score, Score]:
    """Score of the model, and of the constant that is best for this frame; no alignment."""
    near, far = estimator.contract.depth_min_m, estimator.contract.depth_max_m
    model = settle(estimator(raw.rgb, raw.camera).depth, near, far)
    flat = np.full_like(raw.depth, best_const(raw.depth[valid(raw.depth)]))
    return score(model, raw.depth), score(flat, raw.depth)


def _row(name: str, pairs: list[tuple[Score, Score]]) -> str:
    model = mean_score(pair[0] for pair in pairs)
    flat = mean_score(pair[1] for pair in pairs)
    return (
        f'| {name} | {len(pairs)} | {model.abs_rel:.3f} | {model.delta1:.3f} | {model.rmse:.2f} '
        f'| {flat.abs_rel:.3f} |'
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m train.evaluate', description=__doc__)
    parser.add_argument('model', help='.onnx file, or the name of a shipped model')
    parser.add_argument('--frames', type=int, default=64, help='frames of each kind')
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--assets', help='folder of photographic materials')
    parser.add_argument('--steps', type=int)
    parser.add_argument('--samples', type=int)
    return parser.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
