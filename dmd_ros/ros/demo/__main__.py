# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the real node, over DDS: python -m dmd_ros.ros.demo [--bag BAG].

Three processes, as on a robot: a player in place of the camera driver, the node, and a recorder.
Writes to --out: recorded/ (rosbag2 mcap), demo.md and demo.json (frames, drops, latency and
accuracy), sheet.png, cloud.png, summary.jpg (a small version of both) and logs/.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag, bag_name
from dmd_ros.eval.bags.writer import check_replaceable
from dmd_ros.eval.judge import Limits
from dmd_ros.eval.options import count, remove, run_command
from dmd_ros.fov import CAMERA_INFO
from dmd_ros.loading import contract_of
from dmd_ros.ros.demo import results
from dmd_ros.ros.demo.performance import Observed, perform
from dmd_ros.ros.demo.source import Source, inspect
from dmd_ros.ros.errors import NodeError
from dmd_ros.ros.params import NAMES
from dmd_ros.runtime.select import BACKENDS
from dmd_ros.runtime.shared_files import find_model

SAMPLE_BAG = Path('test/data/sample_bag')
_RECORDED = 'recorded'
# Options that warnings of the evaluation may suggest, but the demo lacks.
_OF_REPLAY = ('--depth-info-topic', '--depth-as-is', '--depth-tolerance')
_LEFT = (_RECORDED, 'demo.md', 'demo.json', 'sheet.png', 'cloud.png', 'summary.jpg')


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = _parser().parse_args(argv)
    out: Path = args.out
    model = find_model(args.model)
    contract = contract_of(model)
    given = dict(args.param)
    fov_source = given.get('fov_source', CAMERA_INFO)
    with Bag(args.bag) as bag:
        names = (args.image_topic, args.camera_info_topic, args.depth_topic)
        chosen = topics.choose(bag, *names, calibrated=fov_source == CAMERA_INFO)
        source = inspect(bag, chosen, args.limit, given.pop('input_rectified', 'auto'))
        results.reader_of(bag, source)  # report unusable ground truth before playing
        told = list(bag.warnings)
        _tell(told)
    check_replaceable(out / _RECORDED, args.bag)
    remove(out / name for name in _LEFT)  # logs are overwritten
    out.mkdir(parents=True, exist_ok=True)
    print(f'{source.images} images of {source.topics.image} in {source.path}, model {model}')
    settings: dict[str, Any] = source.node_parameters()
    settings |= {'model': str(model), 'backend': args.backend, 'device': args.device}
    settings |= given
    observed = perform(source, settings, out)
    _check(observed, source, out)
    judged = results.judge(source, contract, out, _limits(given))
    about = {
        'bag': bag_name(source.path),
        'topics': source.topics,
        'model': contract.name,
        'node parameters': settings,
    }
    found = results.figures(observed, judged, about)
    results.write(out, found, judged, f'{contract.name} on {bag_name(source.path)}')
    print(results.table(found))
    _tell([warning for warning in judged.warnings if warning not in told])
    print(f'written: {out}/recorded (mcap), demo.md, demo.json, sheet.png, cloud.png, summary.jpg')


def _tell(warnings: Sequence[str]) -> None:
    """Print warnings, and which command has the options that they suggest."""
    for warning in warnings:
        print(f'warning: {warning}', file=sys.stderr)
    advised = [name for name in _OF_REPLAY if any(name in warning for warning in warnings)]
    if advised:
        print(
            f'{", ".join(advised)}: not an option of the demo, but of python -m '
            'dmd_ros.eval.replay, which evaluates a bag without playing it',
            file=sys.stderr,
        )


def _limits(given: Mapping[str, Any]) -> Limits:
    """Return the depth range requested of the node, which reports only +-inf outside it."""
    return Limits(given.get('min_depth', 0.0), given.get('max_depth', math.inf))


def _check(observed: Observed, source: Source, out: Path) -> None:
    """Raise an error if there is nothing to report on."""
    if not observed.depth:
        said = observed.diagnostics
        raise NodeError(
            f'the node published no depth for {len(observed.sent)} images of '
            f'{source.topics.image}: '
            f'{said.get("last error") or said}; its log is {out / "logs" / "node.log"}'
        )
    if observed.node_status:
        raise NodeError(
            f'the node ended with status {observed.node_status}; see {out / "logs" / "node.log"}'
        )


def _parameter(text: str) -> tuple[str, Any]:
    """Read NAME:=VALUE: a number, true or false, or else text."""
    name, is_set, value = text.partition(':=')
    if not name or not is_set:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME:=VALUE, for example steps:=2')
    if name in ('model', 'backend', 'device'):  # --model also determines the evaluation
        raise argparse.ArgumentTypeError(f'{text!r}: give --{name} {value or "..."} instead')
    # Without depth all processes would wait; without diagnostics there are no counts.
    if name in ('autostart', 'build_only', 'image_transport', 'diagnostics_period'):
        raise argparse.ArgumentTypeError(f'{text!r}: {name} is set by the demo itself')
    # The node only warns about an unknown name, and the report would list it as set.
    if name not in NAMES and not name.startswith('qos_overrides.'):
        near = ', '.join(difflib.get_close_matches(name, NAMES) or NAMES)
        raise argparse.ArgumentTypeError(f'{name} is not a parameter of the node; allowed: {near}')
    if name == 'input_rectified':  # text, which JSON would read as a boolean
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m dmd_ros.ros.demo', description=__doc__)
    add = parser.add_argument
    add('--bag', type=Path, default=SAMPLE_BAG, help='ROS 1 or 2 bag (default: %(default)s)')
    add('--out', type=Path, default=Path('out/demo'), help='default: %(default)s')
    add('--model', help='.onnx file or shipped model (default: the shipped one)')
    add('--backend', choices=BACKENDS, default='onnxruntime', help='default: %(default)s')
    add('--device', default='cpu', help='default: %(default)s')
    add('--image-topic', help='default: the only one')
    add('--camera-info-topic', help='default: the only one, or the one next to the image')
    add('--depth-topic', help="ground truth; default: the only one, if any; 'none': without it")
    add('-p', '--param', type=_parameter, action='append', default=[], metavar='NAME:=VALUE',
        help='parameter of the node; may be repeated')  # fmt: skip
    add('--limit', type=count, default=300, help='play at most n images; 0: all (default: 300)')
    return parser


if __name__ == '__main__':
    sys.exit(run_command(main, NodeError))
