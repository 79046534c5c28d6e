# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m train.fov.evaluate MODEL.onnx`: measure errors and their effect on depth.

On procedural worlds of held-out seeds, kind by kind, and on folders of labelled frames (--folder;
docs/datasets.md, "Your own frames"). Prints two Markdown tables for the model card: the error in
degrees, compared with that of one guess for all pictures, the alternative without a network; and
a denoiser's depth with the true field of view, with the estimated one, and with the guess.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dmd_ros.core.camera import Camera, degrees_from_tan_half, tan_half_from_degrees
from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.frame_folder import find_frames, read_frame
from dmd_ros.eval.judge import settled
from dmd_ros.eval.metrics import Score, mean_score, score
from dmd_ros.eval.options import count
from dmd_ros.eval.output.report import markdown_table
from dmd_ros.fov import EstimatedFov, FovEstimator
from dmd_ros.loading import load_camera_source, load_estimator
from train.errors import in_one_line
from train.worlds import KINDS, SCENE_STRIDE, Assets, WorldConfig, Worlds, held_out


@dataclass(frozen=True)
class Group:
    """Pictures of one kind, with their true and estimated vertical field of view."""

    name: str
    samples: list[RawSample]
    truth_deg: np.ndarray
    estimate_deg: np.ndarray


def main(arguments: list[str] | None = None) -> int:
    """Parse, evaluate, print the tables."""
    options = _parse(arguments)
    return in_one_line(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    source = load_camera_source('estimate', fov_model=options.model)
    assert isinstance(source, EstimatedFov)
    denoiser = load_estimator(options.denoiser, backend='onnxruntime')
    groups = [look(source.estimator, *named) for named in _groups(options)]
    every = _joined(groups)
    print(angle_table([*groups, every] if len(groups) > 1 else groups, options.guess))
    print(depth_table(denoiser, groups, options.guess))


def look(estimator: FovEstimator, name: str, samples: Iterable[RawSample]) -> Group:
    """Estimate the field of view of every picture of a group."""
    kept = list(samples)
    return Group(
        name,
        kept,
        np.array([degrees_from_tan_half(s.camera.tan_half_vfov) for s in kept]),
        np.array([degrees_from_tan_half(estimator(s.rgb)) for s in kept]),
    )


def angle_table(groups: Iterable[Group], guess_deg: float) -> str:
    """Format errors of the vertical field of view, and those of a guess, degrees."""
    rows = []
    for group in groups:
        error = group.estimate_deg - group.truth_deg
        guessed = np.abs(guess_deg - group.truth_deg)
        rows.append(
            [
                group.name, len(error), _range(group.truth_deg), _degrees(np.median(abs(error))),
                _degrees(abs(error).mean()), f'{error.mean():+.1f}',
                _degrees(np.median(guessed)), _degrees(guessed.mean()),
            ]
        )  # fmt: skip
    header = (
        'vertical field of view, degrees', 'pictures', 'truth', 'median error', 'mean error',
        'bias', f'guess of {guess_deg:g}: median', 'mean',
    )  # fmt: skip
    return markdown_table(header, rows)


def depth_table(denoiser: DepthEstimator, groups: Iterable[Group], guess_deg: float) -> str:
    """Format AbsRel / delta1 of depth with three fields of view."""
    rows = []
    for group in tqdm(groups, unit='group', file=sys.stderr):
        ways = (
            [raw.camera for raw in group.samples],
            assumed(group.samples, group.estimate_deg),
            assumed(group.samples, np.full(len(group.samples), guess_deg)),
        )
        cells = []
        for cameras in ways:
            pairs = zip(group.samples, cameras, strict=True)
            mean = mean_score(judge(denoiser, raw, camera) for raw, camera in pairs)
            cells.append(f'{mean.abs_rel:.3f} / {mean.delta1:.3f}')
        rows.append([group.name, len(group.samples), *cells])
    header = (
        f'{denoiser.contract.name}: AbsRel / delta1', 'pictures', 'true field of view',
        'estimated', f'guess of {guess_deg:g} degrees',
    )  # fmt: skip
    return markdown_table(header, rows)


def assumed(samples: Iterable[RawSample], vfov_deg: np.ndarray) -> list[Camera]:
    """Return the camera that a node without calibration assumes, for every picture."""
    return [
        Camera.assumed(tan_half_from_degrees(angle), raw.camera.width, raw.camera.height)
        for raw, angle in zip(samples, vfov_deg, strict=True)
    ]


def judge(denoiser: DepthEstimator, raw: RawSample, camera: Camera) -> Score:
    """Score the depth of a picture on the assumption that it is from this camera."""
    return score(settled(denoiser(raw.rgb, camera).depth, denoiser.contract), raw.depth)


def _groups(options: argparse.Namespace) -> Iterator[tuple[str, list[RawSample]]]:
    assets = Assets.load(options.assets)
    indices = range(0, options.frames * SCENE_STRIDE, SCENE_STRIDE)
    for kind in KINDS if options.frames else ():
        # At the usual size of worlds, with the cameras of the kind.
        worlds = Worlds(held_out(options.seed), WorldConfig(kinds={kind: 1.0}), assets)
        bar = tqdm(indices, desc=kind, unit='frame', file=sys.stderr)
        yield f'worlds, {kind}', [worlds[index] for index in bar]
    found: dict[str, list[RawSample]] = {}
    for folder in options.folder:
        for path in find_frames(folder):
            frame = read_frame(path)
            found.setdefault(f'{folder.name}, {frame.group}', []).append(frame.sample)
    yield from sorted(found.items())


def _joined(groups: list[Group]) -> Group:
    return Group(
        'all',
        [sample for group in groups for sample in group.samples],
        np.concatenate([group.truth_deg for group in groups]),
        np.concatenate([group.estimate_deg for group in groups]),
    )


def _range(degrees: np.ndarray) -> str:
    return f'{degrees.min():.0f} to {degrees.max():.0f}'


def _degrees(value: float) -> str:
    return f'{value:.1f}'


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m train.fov.evaluate', description=__doc__)
    parser.add_argument('model', nargs='?', help='.onnx file or name (default: the shipped one)')
    parser.add_argument(
        '--frames',
        type=count,
        default=64,
        help='worlds of each kind; 0: none (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=int, default=7, help='seed of worlds (default: %(default)s)'
    )
    parser.add_argument(
        '--folder', type=Path, action='append', default=[], metavar='DIR',
        help='labelled frames to evaluate too; may be repeated',
    )  # fmt: skip
    parser.add_argument(
        '--guess',
        type=float,
        default=50.0,
        help='angle for all pictures, degrees (default: %(default)s)',
    )
    parser.add_argument('--denoiser', help='model for the depth table (default: the shipped one)')
    parser.add_argument('--assets', default='', help='folder of photographic materials')
    options = parser.parse_args(arguments)
    if not options.frames and not options.folder:
        parser.error('--frames 0 without a --folder: there are no pictures to evaluate')
    if not 0.0 < options.guess < 180.0:
        parser.error(f'--guess {options.guess:g} must be above 0 and below 180 degrees')
    return options


if __name__ == '__main__':
    sys.exit(main())
