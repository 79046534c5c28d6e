# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part of the check that needs torch, in a separate process.

    python -m train.gpu.with_torch export out/presets   # presets with random weights, as ONNX
    python -m train.gpu.with_torch time --net nano      # a line on standard input starts the clock

TensorRT and torch may be in different Pythons: this module does not import TensorRT, and the check
does not import torch.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.errors import in_one_line
from train.gpu.report import Row, clock
from train.gpu.torch_child import ABOUT, READY, ROW
from train.onnx_weights import load_model
from train.presets import preset
from train.unet import UNet

PRESETS = ('nano', 'small', 'base')  # the shipped model is a tiny one
SIZE = (192, 256)
_TYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16, 'fp32': torch.float32}


def random_net(name: str) -> UNet:
    """Build a preset; zero-initialised layers are random too, or its output would be zero."""
    torch.manual_seed(0)
    net = UNet(preset(name).net).eval()
    for parameter in net.parameters():
        if not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=0.02)
    return net


def export_presets(folder: Path) -> None:
    """Write every preset with random weights, contract and golden input, like a trained one."""
    import onnx
    from onnx import helper

    from dmd_ros.core.contract import METADATA_KEY
    from dmd_ros.runtime.model_file import GOLDEN_KEY, golden_to_metadata
    from train import export
    from train.config import TrainConfig
    from train.torch_backend import TorchBackend

    folder.mkdir(parents=True, exist_ok=True)
    for name in PRESETS:
        contract = TrainConfig(preset=name).contract()
        net = random_net(name)
        proto = export.trace(net, contract)
        feeds = export.random_feeds(contract, 1, 2, 3, seed=0)
        golden = golden_to_metadata(feeds, TorchBackend(net).run(feeds))
        helper.set_model_props(proto, {METADATA_KEY: contract.to_json(), GOLDEN_KEY: golden})
        path = folder / f'{name}.onnx'
        onnx.save(proto, path)
        print(f'{path}: {path.stat().st_size >> 20} MiB', flush=True)


def prepare(
    name: str, precisions: list[str], samples: list[int], compiled: bool
) -> list[tuple[Row, Callable[[], object]]]:
    """Set up a network as in the trainer, and run it once for each row to measure.

    name: preset, or an .onnx file written by `train.export`.
    """
    known = load_model(Path(name)).net if name.endswith('.onnx') else random_net(name)
    net = known.eval().cuda().to(memory_format=torch.channels_last)
    layout = {'force_layout_optimization': True}
    network = torch.compile(net, dynamic=False, options=layout) if compiled else net
    what = 'network, torch ' + ('compiled' if compiled else 'eager')
    made = []
    for precision in precisions:
        for count in samples:
            random = np.random.default_rng(0)
            tensors = [
                torch.as_tensor(random.standard_normal((count, channels, *SIZE), np.float32))
                for channels in (3, 1)
            ]
            tensors = [t.contiguous(memory_format=torch.channels_last) for t in tensors]
            tensors += [torch.ones(count), torch.full((count,), 0.5)]
            run = partial(_once, network, [t.cuda() for t in tensors], precision)
            started = time.perf_counter()
            run()
            torch.cuda.synchronize()
            note = f'first call {time.perf_counter() - started:.1f} s'
            made.append((Row(Path(name).stem, what, precision, count, 1, note=note), run))
    return made


def _once(network: Any, tensors: list[Any], precision: str) -> None:
    enabled = precision != 'fp32'
    with torch.no_grad(), torch.autocast('cuda', _TYPES[precision], enabled=enabled):
        network(*tensors)


def measure(row: Row, run: Callable[[], object], seconds: float) -> Row:
    """Time single calls until completion, and one of a hundred consecutive calls (`device`)."""

    def once() -> None:
        run()
        torch.cuda.synchronize()

    p50, p95 = clock(once, seconds)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(100):
        run()
    end.record()
    end.synchronize()
    return replace(row, p50=p50, p95=p95, device=begin.elapsed_time(end) / 100)


def main(argv: list[str] | None = None) -> int:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(
        prog='python -m train.gpu.with_torch',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('export').add_argument('folder', type=Path, help='output folder')
    timing = commands.add_parser('time')
    timing.add_argument('--net', required=True, help='preset, or .onnx file of train.export')
    timing.add_argument('--precisions', nargs='+', default=['fp16', 'bf16'], choices=_TYPES,
                        help='default: fp16 bf16')  # fmt: skip
    timing.add_argument('--samples', nargs='+', type=int, default=[1], help='default: 1')
    timing.add_argument('--seconds', type=float, default=1.0, help='time per row, seconds')
    options = parser.parse_args(argv)
    if options.command == 'export':
        return in_one_line(lambda: export_presets(options.folder))
    if not torch.cuda.is_available():
        print('this torch has no CUDA')
        return 1
    about = {'torch': torch.__version__, 'python of torch': platform.python_version()}
    print(ABOUT + json.dumps(about), flush=True)
    prepared = [
        entry
        for compiled in (False, True)
        for entry in prepare(options.net, options.precisions, options.samples, compiled)
    ]
    print(READY, flush=True)
    sys.stdin.readline()
    for row, run in prepared:
        print(ROW + json.dumps(asdict(measure(row, run, options.seconds))), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
