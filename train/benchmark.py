# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluate a model by a published protocol: python -m train.benchmark --protocol nyu --data DIR.

The choices of a protocol are in train/protocols/<name>.yaml; docs/datasets.md describes the layout
of DIR. Writes <name>.json and <name>.md to --out, with the rows of the papers beside the result.
To print several results as one table: python -m train.benchmark --table out/benchmark/*.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from dmd_ros.core import preprocess
from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval import judge, metrics, options
from dmd_ros.eval.metrics import Score
from dmd_ros.eval.output import report
from train.datasets.base import Reader
from train.datasets.registry import open_dataset
from train.errors import TrainError
from train.outputs import check_folder

PROTOCOLS = Path(__file__).parent / 'protocols'
# Eigen's crop is in pixels of a 480x640 picture, Garg's in shares of height and width.
EIGEN = (slice(45, 471), slice(41, 601))
GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
CROPS = ('eigen', 'garg', 'none')
# The benchmark crop of KITTI: the bottom rows, the middle columns.
KB_SIZE = (352, 1216)
# With a larger share of broken samples, a result is not representative of the set.
MAX_BROKEN_SHARE = 0.01
COLUMNS = ('delta1', 'abs_rel', 'rmse', 'log10', 'silog')


@dataclass(frozen=True)
class Protocol:
    """All fixed choices of a benchmark, from one YAML file."""

    name: str
    title: str
    reference: str  # source of the choices
    dataset: str  # kind of reader
    options: dict[str, Any]  # of the reader
    list_file: str  # split file: 'needed', 'optional' or 'no'
    kb_crop: bool  # crop picture and truth before the estimate
    input_size: tuple[int, int] | None  # (height, width) of the picture for the estimate
    flip: bool  # average with the estimate of the mirrored picture
    crop: str  # evaluated pixels
    crop_from: str  # source of the crop
    min_m: float
    max_m: float
    rows_from: str  # source of the published rows
    # Name -> delta1, REL, RMSE as published (None: not published).
    rows: dict[str, tuple[float | None, float | None, float | None]]


def protocol_names() -> list[str]:
    """Return the names of all protocols."""
    return sorted(path.stem for path in PROTOCOLS.glob('*.yaml'))


def load_protocol(name: str) -> Protocol:
    """Read a protocol by name, or from a path that ends in .yaml; raises `TrainError`."""
    path = Path(name) if name.endswith('.yaml') else PROTOCOLS / f'{name}.yaml'
    if not path.is_file():
        known = ', '.join(protocol_names())
        raise TrainError(f'protocol {name!r} is unknown; allowed: {known}, or a .yaml file')
    try:
        return _protocol(path, yaml.safe_load(path.read_text(encoding='utf-8')))
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        found = ' '.join(str(error).split())
        raise TrainError(f'{path} is not a protocol ({found}); see those in {PROTOCOLS}') from None


def _protocol(path: Path, raw: dict[str, Any]) -> Protocol:
    names = {field.name for field in fields(Protocol)} - {'name'}
    missing, unknown = sorted(names - raw.keys()), sorted(raw.keys() - names)
    if missing or unknown:
        raise TrainError(f'{path} has missing keys {missing} and unknown keys {unknown}')
    if raw['crop'] not in CROPS:
        raise TrainError(f'{path}: crop={raw["crop"]!r}; allowed: {", ".join(CROPS)}')
    size = raw['input_size']
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in raw['options'].items()}
    lists = {
        'options': settings,
        'input_size': tuple(size) if size else None,
        'rows': {key: tuple(row) for key, row in raw['rows'].items()},
    }
    return Protocol(**raw | lists, name=path.stem)


def open_reader(protocol: Protocol, data: Path, list_file: Path | None = None) -> Reader:
    """Open the protocol's dataset below `data`; raises `TrainError`."""
    if list_file is None and protocol.list_file == 'needed':
        raise TrainError(
            f'protocol {protocol.name} needs the split file: --list FILE; see the comment in '
            f'{PROTOCOLS / protocol.name}.yaml'
        )
    if list_file is not None and protocol.list_file == 'no':
        raise TrainError(f'protocol {protocol.name} takes no --list: its split is fixed')
    given = {'list_file': list_file} if list_file else {}
    return open_dataset(protocol.dataset, data, **protocol.options, **given)


def judge_sample(
    estimator: DepthEstimator,
    sample: RawSample,
    protocol: Protocol,
    native: bool = False,
) -> Score:
    """Score the estimate of one picture; native: skip the protocol's scaling of the input."""
    if protocol.kb_crop:
        sample = kb_cropped(sample)
    rgb, camera = sample.rgb, sample.camera
    if protocol.input_size and not native:
        rgb, camera = scaled(rgb, camera, protocol.input_size)
    _, depth = judge.predict(estimator, rgb, camera, protocol.flip)
    depth = bilinear(depth, sample.depth.shape)
    mask = crop_mask(protocol.crop, sample.depth.shape)
    return metrics.score(depth, sample.depth, protocol.min_m, protocol.max_m, mask)


def kb_cropped(sample: RawSample) -> RawSample:
    """Crop picture, truth and camera to the window of the KITTI benchmark."""
    height, width = KB_SIZE
    rows, columns = sample.depth.shape
    if rows < height or columns < width:
        raise TrainError(f'picture {columns}x{rows} is smaller than the KB crop {width}x{height}')
    top, left = rows - height, (columns - width) // 2
    window = (slice(top, top + height), slice(left, left + width))
    camera = sample.camera.cropped(left, top, width, height)
    return RawSample(np.ascontiguousarray(sample.rgb[window]), sample.depth[window], camera)


def scaled(
    rgb: NDArray[np.uint8], camera: Camera, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], Camera]:
    """Scale a picture to (height, width), ignoring its aspect ratio; the FOV does not change."""
    view = preprocess.View(camera, 0, 0, camera.width, camera.height, *size)
    return preprocess.cut_rgb(rgb, view), view.camera


def bilinear(depth: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Interpolate metres to (height, width) with aligned corner pixels, as ZoeDepth does."""
    if depth.shape == tuple(shape):
        return depth
    rows = np.linspace(0.0, depth.shape[0] - 1.0, shape[0], dtype=np.float32)
    columns = np.linspace(0.0, depth.shape[1] - 1.0, shape[1], dtype=np.float32)
    x, y = np.meshgrid(columns, rows)
    return cv2.remap(depth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def crop_mask(crop: str, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Return the mask of pixels in a truth [H, W] that the crop keeps; None: all."""
    if crop == 'none':
        return None
    mask = np.zeros(shape, np.bool_)
    if crop == 'eigen':
        mask[EIGEN] = True
    else:
        (height, width), (top, bottom, left, right) = shape, GARG
        window = (slice(int(top * height), int(bottom * height)),
                  slice(int(left * width), int(right * width)))  # fmt: skip
        mask[window] = True
    return mask


def evaluate(
    estimator: DepthEstimator,
    reader: Reader,
    protocol: Protocol,
    numbers: Iterable[int],
    native: bool = False,
) -> tuple[list[Score], list[str]]:
    """Score the samples with these numbers; return scores, and errors of unreadable samples."""
    scores, broken = [], []
    for number in numbers:
        try:
            scores.append(judge_sample(estimator, reader.load(number), protocol, native))
        except TrainError as error:
            broken.append(str(error))
            if len(broken) > max(MAX_BROKEN_SHARE * len(reader), 1):
                raise TrainError(f'{len(broken)} samples are broken, the last: {error}') from None
    return scores, broken


def table_of(results: Sequence[dict[str, Any]]) -> str:
    """Format results as Markdown, the rows of the papers before each result."""
    header = ('set', 'model', 'd1', 'REL', 'RMSE m', 'log10', 'SILog', 'pictures')
    rows: list[list[object]] = []
    for result in results:
        protocol = result['protocol']
        for name, row in protocol['rows'].items():
            rows.append([protocol['title'], name, *row, None, None, None])
        score = result['score']
        ours = [score[key] for key in COLUMNS]
        name = result['settings']['model'] + (' (native size)' if result['native'] else '')
        count = f'{score["frames"]} of {result["samples"]}'
        rows.append([protocol['title'], name, *ours, count])
    return report.markdown_table(header, rows)


def _result(path: Path) -> dict[str, Any]:
    try:
        result = json.loads(path.read_text(encoding='utf-8'))
        return {key: result[key] for key in ('protocol', 'settings', 'native', 'score', 'samples')}
    except (ValueError, KeyError, TypeError) as error:
        raise TrainError(f'{path} is not a result of this command ({error!r})') from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    args = _parser().parse_args(arguments)
    return options.run_command(lambda _: _run(args), TrainError, ValueError, KeyError)


def _run(args: argparse.Namespace) -> None:
    if args.table:
        print(table_of([_result(path) for path in args.table]))
    else:
        _benchmark(args)


def _benchmark(args: argparse.Namespace) -> None:
    if not args.protocol or not args.data:
        raise TrainError('specify --protocol NAME and --data DIR, or --table FILE ...')
    check_folder(args.out)
    protocol = load_protocol(args.protocol)
    reader = open_reader(protocol, args.data, args.list)
    numbers = range(0, len(reader), args.every)
    estimator = options.estimator_from(args)
    limits = judge.Limits(protocol.min_m, protocol.max_m)
    settings = options.settings_of(args, estimator, limits)
    print(f'{protocol.title}: {len(numbers)} of {len(reader)} pictures; {protocol.reference}')
    walk = tqdm(numbers, unit='picture', disable=args.quiet)
    scores, broken = evaluate(estimator, reader, protocol, walk, args.native)
    estimator.close()
    result = {
        'protocol': asdict(protocol),
        'settings': settings,
        'native': args.native,
        'samples': len(reader),
        'score': metrics.mean_score(scores),
        'broken': broken,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    report.write_json(args.out / f'{protocol.name}.json', result)
    table = table_of([report.plain(result)])
    note = f'Rows of papers: {protocol.rows_from}. Protocol: {protocol.reference}.\n'
    text = f'# {protocol.title}\n\n{table}\n{note}'
    (args.out / f'{protocol.name}.md').write_text(text, encoding='utf-8')
    print(table)
    for line in broken:
        print(f'warning: left out: {line}', file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m train.benchmark',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('--protocol', help=f'one of {", ".join(protocol_names())}, or a .yaml file')
    add('--data', type=Path, help='root of the dataset')
    add('--list', type=Path, help='split file, for protocols that take one')
    add('--native', action='store_true', help='do not scale pictures to the input size')
    add('--every', type=options.positive, default=1, help='use every n-th picture (default: all)')
    add('--out', type=Path, default=Path('out/benchmark'), help='default: %(default)s')
    add('--quiet', action='store_true', help='no progress bar')
    add('--table', type=Path, nargs='+', metavar='JSON', help='only print results as a table')
    options.add_model_options(parser)
    return parser


if __name__ == '__main__':
    sys.exit(main())
