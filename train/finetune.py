# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Improve a shipped model for your own robot, with its recordings.

    python -m train.finetune drive.mcap --out runs/mine
    python -m train.finetune monday.mcap tuesday.mcap labelled/ --judge other.mcap --out runs/mine

Bags need colour, camera_info and depth; folders of labelled frames need rgb.png, depth.png and
meta.json. The last part of each is held out: it is never trained on, and validates the model
before, during and after training. Writes the run, finetune.md, .json and .png, and model.onnx (for
the node's parameter `model`) to --out. Worlds are mixed in, so that the model does not forget what
the recordings do not show.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tqdm import tqdm

from dmd_ros.core.camera import Camera
from dmd_ros.core.contract import Contract
from dmd_ros.core.preprocess import ROTATIONS, full_view
from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.metrics import Score, mean_score
from dmd_ros.eval.options import duration, positive
from dmd_ros.runtime.ort_backend import OrtBackend
from dmd_ros.runtime.shared_files import DEFAULT_MODEL, find_model
from train.card import add_to_card
from train.checkpoint import load_newest
from train.command import memory_advice, run_command
from train.config import TrainConfig, make_config, read_settings
from train.datasets.bag import DEPTH_FRAMES, MAX_APART_S
from train.datasets.frames import Frames
from train.errors import TrainError
from train.evaluate import flat_score
from train.export import export
from train.finetune_report import Point, card_notes, error_curve, report
from train.init import changes_of_meaning
from train.loop import train
from train.onnx_weights import Model, load_model
from train.processes import join, leave
from train.recordings import (
    Recording,
    cameras_of,
    check_begun,
    names_of,
    recordings_of,
    sources_of,
)
from train.state import newest, resumed
from train.validate import chosen, judge_frame

_SAMPLES = 20_000
# Number of validations during training, and of their frames: a few per cent of the time.
_VALIDATIONS = 10
_FEWEST_FRAMES, _MOST_FRAMES = 16, 64
# Settings that a run keeps when it is extended, even if it was never validated.
_PACE = ('warmup', 'ema', 'log_every', 'checkpoint_every')
# Scales around the field of view of the robot's camera, to avoid over-fitting to it.
_FOV_SCALES = (0.8, 1.0)
# A model that recommends one step was mostly trained at t = 1, and this should continue.
_T1_OF_ONE_STEP = 0.85


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _parse(arguments)
    return run_command(lambda: finetune(options))


def finetune(options: argparse.Namespace) -> None:
    """Train on the recordings; evaluate on their held-out parts before and after."""
    path = find_model(options.model)
    model = load_model(path)
    read_settings(options.settings)  # reports mistakes before frames are written
    recordings = recordings_of(options)
    if not options.dry_run:  # before writing a bag's frames, which takes minutes
        kept = newest(options.out, options.resume)
        if kept and not any(text.startswith('sources=') for text in options.settings):
            check_begun(recordings, TrainConfig.from_json(kept['config']).sources)
    held = [recording.open(recording.held) for recording in recordings]
    trained = {
        recording: recording.open('train') for recording in recordings if recording.is_trained_on
    }
    _introduce(recordings, trained, held)
    sources = sources_of({r: len(part) for r, part in trained.items()}, options.worlds)
    validation = ','.join(recording.source(recording.held) for recording in recordings)
    cameras = sum(
        (cameras_of(r, part, held[i]) for i, (r, part) in enumerate(trained.items())), Counter()
    )
    config = config_of(model, cameras, sources, validation, options)
    if not options.dry_run:  # before the evaluation, which takes minutes
        resumed(options.out, config, options.resume)
    with _judge_of(path) as judge:
        scores = _judged({'constant': flat_score, 'before': judge}, held)
    if options.dry_run:
        print(config.describe())
        report(options.out, recordings, scores, [], None)
        return
    processes = join()
    try:
        with memory_advice(config, 'model'):
            train(options.out, config, processes, options.resume, path)
        if processes.is_main:
            out = options.out / 'model.onnx'
            export(options.out, out, name=f'{model.contract.name}_{_name(options.data)}')
            with _judge_of(out) as judge:
                scores |= _judged({'after': judge}, held)
            start = _start(scores['before'], held, config.validation_frames)
            curve = error_curve(options.out, validation, start)
            table = report(options.out, recordings, scores, curve, out)
            names = zip(names_of(recordings), recordings, strict=True)
            counts = {name: len(trained[r]) for name, r in names if r in trained}
            add_to_card(out, card_notes(counts, options.held_out, table))
    finally:
        leave()


def config_of(
    model: Model,
    cameras: Mapping[Camera, int],
    sources: str,
    validation: str,
    options: argparse.Namespace,
) -> TrainConfig:
    """Return settings to continue a model, from its contract and the robot's cameras.

    cameras: mapped to their numbers of frames, which are the weights of the network's sizes. The
    range of fields of view is widened to include those of the cameras.
    """
    contract, net = model.contract, model.net
    low, high = contract.tan_half_vfov_range
    tans = [camera.tan_half_vfov for camera in cameras]
    one_step = contract.noise == 'gaussian' and contract.steps == 1
    total = options.samples or _SAMPLES
    pace = {
        'warmup': total // 20, 'ema': max(1, total // 20), 'log_every': max(1, total // 20),
        'checkpoint_every': max(1, total // 5), 'validate_every': max(1, total // _VALIDATIONS),
        'validation_frames': min(max(total // 50, _FEWEST_FRAMES), _MOST_FRAMES),
    }  # fmt: skip
    state = load_newest(options.out) if options.resume else None
    if state is not None:  # an extended run keeps its pace
        began = TrainConfig.from_json(state['config'])
        pace |= {key: getattr(began, key) for key in pace if began.validation or key in _PACE}
        total = options.samples or began.total_samples
    settings = {
        'fov': net.fov, 'rays': net.rays, 'depth_codec': contract.depth_codec,
        'depth_min_m': contract.depth_min_m, 'depth_max_m': contract.depth_max_m,
        'parameterisation': contract.parameterisation,
        'tan_half_vfov_min': min(low, min(tans) * _FOV_SCALES[0]),
        'tan_half_vfov_max': max(high, max(tans) * _FOV_SCALES[1]),
        'stage': 'end_to_end' if contract.noise == 'zeros' else 'diffusion',
        'steps': contract.steps, 'samples': contract.samples,
        't1_fraction': _T1_OF_ONE_STEP if one_step else 0.0,
        'sources': sources, 'sizes': _sizes(cameras, contract), 'validation': validation,
        'fov_scale_min': _FOV_SCALES[0], 'fov_scale_max': _FOV_SCALES[1],
        'photometric': 0.5, 'optimizer': 'muon',
        'batch': 8, 'total_samples': total, **pace,
    }  # fmt: skip
    texts = [f'{key}={value}' for key, value in settings.items()]
    config = make_config(model.preset, [*texts, *options.settings])
    changes = changes_of_meaning(contract, config.contract())
    if changes:
        raise TrainError(
            f'--set changes the contract of the model: {", ".join(changes)}; leave it out'
        )
    return config


def _sizes(cameras: Mapping[Camera, int], contract: Contract) -> str:
    """Return the sizes that the robot uses for its cameras, weighted by frames."""
    counts: Counter[str] = Counter()
    for camera, frames in cameras.items():
        view = full_view(camera, contract)
        counts[f'{view.height}x{view.width}'] += frames
    if len(counts) == 1:
        return next(iter(counts))
    return ','.join(f'{size}@{frames}' for size, frames in counts.items())


def _introduce(
    recordings: Sequence[Recording],
    trained: Mapping[Recording, Frames],
    held: Sequence[Frames],
) -> None:
    several = len(recordings) > 1
    for name, recording, part in zip(names_of(recordings), recordings, held, strict=True):
        lead = f'{name}: ' if several else ''
        if recording in trained:
            count = len(trained[recording])
            print(f'{lead}{count} frames to train on, {len(part)} held out')
        else:
            print(f'{lead}{len(part)} frames for validation only')


def _judged(
    judges: Mapping[str, Callable[[RawSample], Score]], held: Sequence[Frames]
) -> dict[str, list[list[Score]]]:
    """Score every frame of every recording, with one frame in memory at a time."""
    scores: dict[str, list[list[Score]]] = {name: [[] for _ in held] for name in judges}
    *_, model = judges
    with tqdm(total=sum(map(len, held)), desc=f'judging {model}', unit='frame') as bar:
        for number, part in enumerate(held):
            for raw in map(part.load, range(len(part))):
                for name, judge in judges.items():
                    scores[name][number].append(judge(raw))
                bar.update()
    return scores


@contextmanager
def _judge_of(path: Path) -> Iterator[Callable[[RawSample], Score]]:
    """Yield a function that scores a model file as run on the robot."""
    backend = OrtBackend(path)
    try:
        yield partial(judge_frame, DepthEstimator(backend.contract, backend))
    finally:
        backend.close()


def _start(before: Sequence[Sequence[Score]], held: Sequence[Frames], count: int) -> Point:
    """Return the error before any training, on the frames used for validation during training."""
    parts = [
        [scores[i] for i in keys] for scores, keys in zip(before, chosen(held, count), strict=True)
    ]
    means = [mean_score(part).abs_rel for part in parts]
    total = mean_score(itertools.chain(*parts)).abs_rel
    return Point(0, total, tuple(means) if len(means) > 1 else ())


def _name(data: Sequence[Path]) -> str:
    return data[0].stem + (f'_and_{len(data) - 1}_more' if len(data) > 1 else '')


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m train.finetune', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add('data', type=Path, nargs='+',
        help='bags with colour, camera_info and depth, or folders of labelled frames')  # fmt: skip
    add('--judge', type=Path, nargs='+', action='extend', default=[], metavar='DATA',
        help='bags or folders for validation only, not trained on')  # fmt: skip
    add('--out', type=Path, required=True, help='folder of this run')
    add('--model', default=DEFAULT_MODEL, help='.onnx or name (default: %(default)s)')
    add('--samples', type=positive,
        help=f'training samples in total (default: {_SAMPLES}; --resume: unchanged)')  # fmt: skip
    add('--held-out', type=int, default=20, metavar='PERCENT', help='default: %(default)s')
    add('--worlds', type=float, default=0.25, metavar='SHARE', help='default: %(default)s')
    add('--set', action='append', default=[], metavar='KEY=VALUE', dest='settings',
        help='any setting printed by --dry-run')  # fmt: skip
    add('--resume', action='store_true',
        help='continue a stopped run, after Ctrl-C or SIGTERM from its last step')  # fmt: skip
    add('--dry-run', action='store_true',
        help='do not train: only write the frames of bags and the scores of the model to --out, '
        'and print the scores')  # fmt: skip
    add = parser.add_argument_group('for bags; folders of frames are used unchanged').add_argument
    add('--image', help='topic of the images')
    add('--info', help='topic of the camera_info')
    add('--depth', help='topic of the depth, an image or LiDAR points; image topics are found '
        'automatically if a bag leaves no choice')  # fmt: skip
    add('--depth-info', help='camera_info of depth in another frame (default: the one beside it)')
    add('--depth-tolerance', type=duration, metavar='S',
        help=f'maximum difference of stamps (default: {MAX_APART_S:g})')  # fmt: skip
    add('--every', type=positive, default=1, help='use every n-th picture')
    add('--image-rotation', type=int, choices=ROTATIONS, default=0,
        help='degrees clockwise to turn pictures upright (default: 0)')  # fmt: skip
    add('--depth-frame', choices=DEPTH_FRAMES, default='same',
        help='for depth whose frame_id differs from the pictures: any: use it unchanged; same: '
        'register it with /tf_static, or fail (default: same)')  # fmt: skip
    return parser.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
