# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m train.evaluate MODEL.onnx`: accuracy on held-out procedural worlds, kind by kind.

The worlds come from held-out seeds, which training never uses. The command prints a Markdown table
for the model card that compares the model with the best constant depth per frame (an oracle).
`--sheet` draws frames from the middle of the ranking and the worst ones: the expected quality, and
the failures. All factors of `--fov-factor` are evaluated on the same frames, rendered once.
`--floor` also evaluates the frames that show the floor, before and after depth is scaled by it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dmd_ros.core.floor import Mount
from dmd_ros.core.records import FloorReading, RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.baselines import best_const
from dmd_ros.eval.judge import settled
from dmd_ros.eval.metrics import Score, mean_score, score
from dmd_ros.eval.options import positive
from dmd_ros.eval.output import sheet
from dmd_ros.floor_scale import FloorScale
from dmd_ros.loading import load_estimator
from train.errors import in_one_line
from train.outputs import check_picture
from train.worlds import KINDS, SCENE_STRIDE, Assets, WorldConfig, Worlds, held_out
from train.worlds.render.view import Pose

# Frames of each kind on the sheet, from the middle and from the end of the ranking.
_TYPICAL, _WORST = 2, 2


@dataclass(frozen=True)
class Verdict:
    """One frame: depth [H, W] in metres, its score, and that of the best constant.

    floor: how depth was scaled by the floor; None without floor scaling.
    """

    raw: RawSample
    depth_m: NDArray[np.float32]
    model: Score
    flat: Score
    floor: FloorReading | None = None


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, evaluate all kinds of worlds and print the table."""
    options = _parse(arguments)
    return in_one_line(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    if options.sheet is not None:
        check_picture(options.sheet, '--sheet')
    estimator = load_estimator(
        options.model, backend='onnxruntime', steps=options.steps, samples=options.samples
    )
    assets = Assets.load(options.assets)
    seed = held_out(options.seed)
    print('| held-out worlds | frames | AbsRel | delta1 | RMSE m | AbsRel of the best constant |')
    print('|---|---|---|---|---|---|')
    every: dict[float, list[Verdict]] = {factor: [] for factor in options.fov_factor}
    on_floor: list[tuple[Verdict, Verdict]] = []
    rows: list[sheet.Row] = []
    for kind in KINDS:
        worlds = Worlds(seed, WorldConfig(kinds={kind: 1.0}), assets)
        verdicts: dict[float, list[Verdict]] = {factor: [] for factor in every}
        pairs: list[tuple[Verdict, Verdict]] = []
        for index in tqdm(range(options.frames), desc=kind, unit='frame', file=sys.stderr):
            raw = worlds[index * SCENE_STRIDE]
            for factor in every:
                verdicts[factor].append(judge(estimator, mistold(raw, factor)))
            if options.floor:
                scaled = judge(estimator, raw, mount_of(worlds.frame(index * SCENE_STRIDE).pose))
                if _saw_floor(scaled):
                    unscaled = verdicts[1.0][-1] if 1.0 in verdicts else judge(estimator, raw)
                    pairs.append((unscaled, scaled))
        for factor, found in verdicts.items():
            every[factor] += found
            print(_table_row(_label(kind, factor), found))
        on_floor += pairs
        _print_floor(kind, pairs)
        rows += _sheet_rows(kind, verdicts[options.fov_factor[0]])
    for factor, found in every.items():
        print(_table_row(_label('all', factor), found))
    _print_floor('all', on_floor)
    if options.sheet is not None:
        _draw(options.sheet, rows, estimator.contract.name)


def _label(kind: str, factor: float) -> str:
    return kind if factor == 1.0 else f'{kind}, tan(vfov / 2) times {factor:g}'


def mistold(raw: RawSample, factor: float) -> RawSample:
    """Return the frame with the camera's tan(vfov / 2) falsely multiplied by `factor`."""
    if factor == 1.0:
        return raw
    camera = replace(raw.camera, fx=raw.camera.fx / factor, fy=raw.camera.fy / factor)
    return replace(raw, camera=camera)


def mount_of(pose: Pose) -> Mount:
    """Return the mount of a world's camera above its floor."""
    return Mount.from_down(pose.position[2], -pose.rotation[2])


def judge(estimator: DepthEstimator, raw: RawSample, mount: Mount | None = None) -> Verdict:
    """Score the model and the best constant for this frame, without alignment.

    mount: used to scale depth if the frame shows the floor; None: no scaling.
    """
    estimator.floor_scale = None if mount is None else FloorScale(mount)
    frame = estimator(raw.rgb, raw.camera)
    model = score(settled(frame.depth, estimator.contract, frame.floor), raw.depth)
    return Verdict(raw, frame.depth, model, flat_score(raw), frame.floor)


def flat_score(raw: RawSample) -> Score:
    """Score the best constant depth for the frame: an oracle without structure."""
    return score(np.full_like(raw.depth, best_const(raw.depth)), raw.depth)


def _saw_floor(verdict: Verdict) -> bool:
    return verdict.floor is not None and verdict.floor.seen


def _print_floor(name: str, pairs: list[tuple[Verdict, Verdict]]) -> None:
    """Print rows for the frames that show the floor, before and after scaling by it."""
    if pairs:
        before, after = zip(*pairs, strict=True)
        print(_table_row(f'{name}, floor seen', list(before)))
        print(_table_row(f'{name}, floor seen, scaled by it', list(after)))


def _table_row(name: str, verdicts: list[Verdict]) -> str:
    model = mean_score(verdict.model for verdict in verdicts)
    flat = mean_score(verdict.flat for verdict in verdicts)
    return (
        f'| {name} | {len(verdicts)} | {model.abs_rel:.3f} | {model.delta1:.3f} '
        f'| {model.rmse:.2f} | {flat.abs_rel:.3f} |'
    )


def _sheet_rows(kind: str, verdicts: list[Verdict]) -> list[sheet.Row]:
    ranked = sorted(verdicts, key=lambda verdict: verdict.model.abs_rel)
    middle = (len(ranked) - _TYPICAL) // 2
    chosen = {f'typical {i + 1}': v for i, v in enumerate(ranked[middle:][:_TYPICAL])}
    chosen |= {f'worst {i + 1}': v for i, v in enumerate(ranked[::-1][:_WORST])}
    return [
        sheet.Row(
            kind,
            name,
            f'AbsRel {v.model.abs_rel:.2f}  d1 {v.model.delta1:.2f}  '
            f'best constant {v.flat.abs_rel:.2f}',
            v.raw.rgb,
            v.depth_m,
            v.raw.depth,
        )
        for name, v in chosen.items()
    ]


def _draw(path: Path, rows: list[sheet.Row], name: str) -> None:
    scales = {
        kind: sheet.nice_scale(
            [r.truth_m for r in rows if r.section == kind and r.truth_m is not None]
        )
        for kind in KINDS
    }
    picture = sheet.draw_sheet(
        rows, scales, f'{name} on held-out worlds', 'typical and worst frames'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_picture(path, picture)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m train.evaluate', description=__doc__)
    parser.add_argument('model', help='.onnx file, or the name of a shipped model')
    parser.add_argument(
        '--frames', type=positive, default=64, help='frames of each kind (default: %(default)s)'
    )
    parser.add_argument('--seed', type=int, default=7, help='world seed (default: %(default)s)')
    parser.add_argument('--sheet', type=Path, help='picture file for a sheet of frames')
    parser.add_argument('--assets', default='', help='folder of photographic materials')
    parser.add_argument('--steps', type=int, help="diffusion steps (default: the model's)")
    parser.add_argument('--samples', type=int, help="samples averaged (default: the model's)")
    parser.add_argument(
        '--fov-factor', type=float, nargs='+', default=[1.0], metavar='FACTOR',
        help='multiply tan(vfov / 2) by a wrong factor; the sheet shows the first',
    )  # fmt: skip
    parser.add_argument(
        '--floor', action='store_true',
        help='also evaluate the frames that show the floor with depth scaled by it, using the '
        'exact heights and tilts of the cameras',
    )  # fmt: skip
    options = parser.parse_args(arguments)
    for factor in options.fov_factor:
        if not 0.1 <= factor <= 10.0:
            parser.error(f'--fov-factor {factor:g} must be from 0.1 to 10')
    return options


if __name__ == '__main__':
    sys.exit(main())
