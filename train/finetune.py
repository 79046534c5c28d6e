# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a shipped model better for your own robot, from a bag with colour, camera_info and depth.

    python -m train.finetune drive.mcap --out runs/mine

The last part of the bag is held out: it is never trained on, and judges the model before and
after. Leaves the run, finetune.md, finetune.json and model.onnx (for the node's parameter `model`)
in --out. Worlds are mixed in, so that what the bag does not show is not forgotten.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dmd_ros.core.camera import Camera
from dmd_ros.core.preprocess import ROTATIONS, full_view
from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.metrics import Score, mean_score
from dmd_ros.eval.options import positive
from dmd_ros.eval.report import markdown_table, write_json
from dmd_ros.loading import DEFAULT_MODEL, find_model
from dmd_ros.runtime.ort_backend import OrtBackend
from train.checkpoint import load_newest
from train.command import memory_advice, run_command
from train.config import TrainConfig, make_config
from train.datasets.bag import DEPTH_FRAMES, BagFrames
from train.errors import TrainError
from train.evaluate import flat_score
from train.export import export
from train.init import changes_of_meaning
from train.loop import train
from train.onnx_weights import Model, load_model
from train.processes import join, leave
from train.validate import judge

# Columns of the table, and their keys in `Score`.
FIGURES = {'AbsRel': 'abs_rel', 'delta1': 'delta1', 'RMSE m': 'rmse', 'SILog': 'silog'}
_SAMPLES = 20_000
# The robot's camera fits its own field of view; a little around it keeps the model from rote.
_FOV_SCALES = (0.8, 1.0)
# A model that recommends one step was trained mostly at t = 1 and should stay so.
_T1_OF_ONE_STEP = 0.85


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _parse(arguments)
    return run_command(lambda: finetune(options))


def finetune(options: argparse.Namespace) -> dict[str, Score]:
    """Train on the bag; give the scores on its held-out part, 'before', 'after', 'constant'."""
    path = find_model(options.model)
    model = load_model(path)
    bag = _bag_options(options)
    held = _frames(BagFrames(options.bag, **bag, part='held_out'))
    train_part = BagFrames(options.bag, **bag, part='train')
    config = config_of(model, held[0].camera, _sources(options, bag), options)
    print(f'{len(train_part)} frames to train on, {len(held)} held out')
    scores = {
        'constant': mean_score(flat_score(raw) for raw in held),
        'before': _judge(path, held),
    }
    if options.dry_run:
        print(config.describe())
        _write(options.out, scores, None)
        return scores
    processes = join()
    try:
        with memory_advice(config, 'model'):
            train(options.out, config, processes, options.resume, path)
        if processes.is_main:
            out = options.out / 'model.onnx'
            export(options.out, out, name=f'{model.contract.name}_{Path(options.bag).stem}')
            scores['after'] = _judge(out, held)
            _write(options.out, scores, out)
    finally:
        leave()
    return scores


def config_of(
    model: Model, camera: Camera, sources: str, options: argparse.Namespace
) -> TrainConfig:
    """Give the settings that continue a model: its contract, the robot's camera.

    The range of fields of view is widened to the camera's where that lies outside.
    """
    contract, net = model.contract, model.net
    view = full_view(camera, contract)
    low, high = contract.tan_half_vfov_range
    tan = camera.tan_half_vfov
    one_step = contract.noise == 'gaussian' and contract.steps == 1
    total = options.samples or _SAMPLES
    pace = {
        'warmup': total // 20, 'ema': max(1, total // 20), 'log_every': max(1, total // 20),
        'checkpoint_every': max(1, total // 5),
    }  # fmt: skip
    state = load_newest(options.out) if options.resume else None
    if state is not None:  # whatever its length is to be now, it goes on at the pace that it has
        began = TrainConfig.from_json(state['config'])
        pace = {key: getattr(began, key) for key in pace}
        total = options.samples or began.total_samples
    settings = {
        'fov': net.fov, 'rays': net.rays, 'depth_codec': contract.depth_codec,
        'depth_min_m': contract.depth_min_m, 'depth_max_m': contract.depth_max_m,
        'parameterisation': contract.parameterisation,
        'tan_half_vfov_min': min(low, tan * _FOV_SCALES[0]),
        'tan_half_vfov_max': max(high, tan * _FOV_SCALES[1]),
        'stage': 'end_to_end' if contract.noise == 'zeros' else 'diffusion',
        'steps': contract.steps, 'samples': contract.samples,
        't1_fraction': _T1_OF_ONE_STEP if one_step else 0.0,
        'sources': sources, 'sizes': f'{view.height}x{view.width}',
        'fov_scale_min': _FOV_SCALES[0], 'fov_scale_max': _FOV_SCALES[1],
        'photometric': 0.5, 'optimizer': 'muon',
        'batch': 8, 'total_samples': total, **pace,
    }  # fmt: skip
    texts = [f'{key}={value}' for key, value in settings.items()]
    config = make_config(model.preset, [*texts, *options.settings])
    changes = changes_of_meaning(contract, config.contract())
    if changes:
        raise TrainError(
            f'--set gives another contract than the model: {", ".join(changes)}; leave it out'
        )
    return config


def _sources(options: argparse.Namespace, bag: Mapping[str, Any]) -> str:
    """Name the training part of the bag, and worlds beside it."""
    if not 0.0 <= options.worlds < 1.0:
        raise TrainError(f'--worlds {options.worlds:g} must be a share in 0..1, below 1')
    # Quoted, because '+' and '%' are allowed in names and mean something in a query.
    query = '&'.join(f'{key}={quote(str(value))}' for key, value in bag.items())
    for sign in ',@?':
        if sign in str(options.bag):
            raise TrainError(f'{options.bag} has {sign!r} in its name; use a link without it')
    text = f'bag:{options.bag}?part=train&{query}@{1.0 - options.worlds:g}'
    return f'{text},worlds@{options.worlds:g}' if options.worlds else text


def _bag_options(options: argparse.Namespace) -> dict[str, Any]:
    names = ('image', 'info', 'depth', 'image_rotation', 'depth_frame')
    chosen = {key: getattr(options, key) for key in names}
    given = {key: value for key, value in chosen.items() if value}
    cache = options.out / 'frames'
    return {**given, 'every': options.every, 'held_out': options.held_out, 'cache': cache}


def _frames(reader: BagFrames) -> list[RawSample]:
    return [reader.load(i) for i in range(len(reader))]


def _judge(path: Path, frames: list[RawSample]) -> Score:
    """Judge a model file as the robot would run it."""
    backend = OrtBackend(path)
    try:
        return judge(DepthEstimator(backend.contract, backend), frames)
    finally:
        backend.close()


def _write(out: Path, scores: Mapping[str, Score], model: Path | None) -> None:
    header = ('held-out part', 'frames', *FIGURES)
    rows = [
        (name, s.frames, *(f'{getattr(s, key):.3f}' for key in FIGURES.values()))
        for name, s in scores.items()
    ]
    out.mkdir(parents=True, exist_ok=True)
    (out / 'finetune.md').write_text(markdown_table(header, rows), encoding='utf-8')
    write_json(out / 'finetune.json', scores)
    print((out / 'finetune.md').read_text())
    if model is not None and not scores['after'].abs_rel < scores['before'].abs_rel:
        print('the error did not fall: keep the old model, record more, or train longer')
    elif model is not None:
        print(f'wrote {model}')


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m train.finetune', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add('bag', type=Path, help='ROS 1 or 2, with colour, camera_info and depth')
    add('--out', type=Path, required=True, help='folder of this run')
    add('--model', default=DEFAULT_MODEL, help='.onnx or name (default: %(default)s)')
    add('--samples', type=positive,
        help=f'to train on in all (default: {_SAMPLES}; with --resume as before)')  # fmt: skip
    add('--held-out', type=int, default=20, metavar='PERCENT', help='default: %(default)s')
    add('--worlds', type=float, default=0.25, metavar='SHARE', help='default: %(default)s')
    add('--image', help='topic of the images')
    add('--info', help='topic of the camera_info')
    add('--depth', help='topic of the depth; topics are found where the bag leaves no choice')
    add('--every', type=positive, default=1, help='take one picture in so many')
    add('--image-rotation', type=int, choices=ROTATIONS, default=0,
        help='degrees clockwise that bring the pictures upright (default: 0)')  # fmt: skip
    add('--depth-frame', choices=DEPTH_FRAMES, default='same',
        help="any: take depth whose frame_id is not the pictures' (default: same)")  # fmt: skip
    add('--set', action='append', default=[], metavar='KEY=VALUE', dest='settings',
        help='any setting that --dry-run prints')  # fmt: skip
    add('--resume', action='store_true', help='go on where the run was stopped')
    add(
        '--dry-run',
        action='store_true',
        help='train nothing: write the frames of the '
        'bag and the score of the model to --out, print them, stop',
    )
    return parser.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
