# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the performance of the package: python -m dmd_ros.ros.bench [--out DIR].

Writes bench.md and bench.json. Times are medians. Run it on an idle machine; it takes about five
minutes. For memory and latency without the denoiser, pass a trivial model to --oracle.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dmd_ros.eval.options import positive, run_command, seconds
from dmd_ros.eval.output import report
from dmd_ros.ros.bench import compute, live, machine
from dmd_ros.ros.bench.table import stage_table
from dmd_ros.ros.errors import NodeError
from dmd_ros.ros.processes import Family
from dmd_ros.runtime.shared_files import find_model

_SIZES = {f'{width}x{height}': (width, height) for width, height in (live.VGA, live.HD)}
# Hz, slow enough that no frame waits for the previous one.
_LATENCY_RATE = {live.VGA: 10.0, live.HD: 4.0}
Add = Callable[..., None]
PARTS = ('stages', 'denoiser', 'clouds', 'latency', 'memory', 'flood')


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = _parser().parse_args(argv)
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    model = find_model(args.model)
    oracle = find_model(args.oracle) if args.oracle else model
    short = min(args.seconds / 10, 6.0)  # for repeated timings
    found: dict[str, Any] = {'machine': machine.describe()}
    page = ['# dmd_ros bench\n', _pairs('machine', found['machine'])]

    def add(name: str, title: str, values: Any, text: str | None = None) -> None:
        found[name] = values
        page.append(f'## {title}\n\n{text or _pairs(name, values)}')
        print(page[-1])

    print(page[1])
    if 'stages' in args.parts:
        for name, size in _SIZES.items():
            with Family(out / 'logs') as family:
                values, text = stage_table(family, size, model, args.frames)
            add(f'stages {name}', f'Stages at {name}', values, text)
    if 'denoiser' in args.parts:
        add('denoiser', 'Denoiser', compute.denoiser(model, short))
    if 'clouds' in args.parts:
        for name, size in _SIZES.items():
            add(f'cloud {name}', f'Cloud at {name}', *_clouds(size, short))
    _live(args, model, oracle, add)
    report.write_json(out / 'bench.json', found)
    (out / 'bench.md').write_text('\n'.join(page), encoding='utf-8')
    print(f'written: {out}/bench.md, bench.json')


def _live(args: argparse.Namespace, model: Path, oracle: Path, add: Add) -> None:
    """Time the real node: first with a trivial denoiser, then with the model."""
    logs = args.out / 'logs'
    if 'latency' in args.parts:
        for name, size in _SIZES.items():
            with Family(logs) as family:
                node = live.LiveNode(family, oracle, size)
                event = node.drive(args.frames, _LATENCY_RATE[size], f'latency {name}')
                title = f'Live node at {name}, model {oracle.stem}, over DDS'
                add(f'latency {name}', title, live.latency(event))
    if 'memory' in args.parts:
        with Family(logs) as family:
            title = f'Memory of the node, MB, model {oracle.stem}'
            add('memory', title, live.growth(live.LiveNode(family, oracle), args.memory_frames))
    if 'flood' in args.parts:
        with Family(logs) as family:
            node = live.LiveNode(family, model)
            start = {
                'start to first depth s': node.start.seconds,
                'resident MB after it': node.start.megabytes,
            }
            add('start', f'Start with model {model.stem}', start)
            title = f'Camera at {live.FLOOD_HZ:g} Hz for {args.seconds:g} s, model {model.stem}'
            add('flood', title, live.flood(node, args.seconds))


def _clouds(size: tuple[int, int], seconds: float) -> tuple[dict[str, float], str]:
    times = compute.clouds(*size, seconds)
    ours = times[compute.OURS]
    rows: list[list[object]] = [[name, ms, ms / ours] for name, ms in times.items()]
    text = report.markdown_table(('way', 'median ms', 'times write_cloud'), rows)
    if len(times) == 2:
        text += '\nsensor_msgs_py is not installed, so there is no comparison.\n'
    return times, text


def _pairs(name: str, values: Mapping[str, Any]) -> str:
    return report.markdown_table((name, 'value'), values.items())


def _duration(text: str) -> float:
    if not (value := seconds(text)):
        raise argparse.ArgumentTypeError(f'{text} must be > 0')
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m dmd_ros.ros.bench', description=__doc__)
    add = parser.add_argument
    add('--out', type=Path, default=Path('out/bench'), help='default: %(default)s')
    add('--model', help='.onnx file or shipped model (default: the shipped one)')
    add('--oracle', help='.onnx file of a trivial model (default: the model)')
    add('--parts', nargs='+', choices=PARTS, default=PARTS, help='default: all')
    add('--frames', type=positive, default=100, help='for stages and latency (default: 100)')
    add('--memory-frames', type=positive, default=5000, help='default: %(default)s')
    add(
        '--seconds',
        type=_duration,
        default=60.0,
        help='duration of the flood; a tenth for denoiser and clouds (default: 60)',
    )
    return parser


if __name__ == '__main__':
    sys.exit(run_command(main, NodeError))
