# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m train.fov.export RUN --out models/dmd_fov.onnx`: from checkpoint to model file.

Like `train.export` for the denoiser, it stores averaged weights, contract and golden input in the
file, writes a card beside it, and writes nothing when ONNX Runtime and torch disagree.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from dmd_ros.core.camera import degrees_from_tan_half
from dmd_ros.core.contract import METADATA_KEY, FovContract
from dmd_ros.runtime.backend import FOV_INPUT, FOV_OUTPUT, Feeds
from dmd_ros.runtime.model_file import (
    GOLDEN_KEY,
    check_golden,
    golden_to_metadata,
    relative_difference,
)
from dmd_ros.runtime.ort_backend import OrtFovBackend
from train import checkpoint, onnx_file
from train.card import LICENCE, facts_table, read_notes, started_from, write_card
from train.config import TrainConfig
from train.errors import in_one_line
from train.fov.loop import build_net
from train.fov.net import FovNet
from train.fov.validate import fov_contract, torch_backend
from train.onnx_file import PICTURE_AXES, refuse_difference, to_onnx
from train.sources import shares_text
from train.torch_backend import TorchBackend
from train.unet import parameter_count


def export(source: Path, out: Path, weights: str = 'fp16', notes: str = '') -> FovContract:
    """Export the newest checkpoint of a run (or one file) to `out`; raises `TrainError`.

    weights: 'fp16' stores them in half the space; computation is in float32 in either case.
    notes: Markdown to append to the card.
    """
    onnx_file.check_out(out)
    state = checkpoint.find(source)
    config = TrainConfig.from_json(state['config'])
    contract = fov_contract(config, out.stem)
    net = build_net(config)
    onnx_file.fill(net, state['ema'], weights)
    backend = torch_backend(net)
    feeds = random_feeds(contract, 1, (2 * contract.stride, 3 * contract.stride), seed=0)
    metadata = {
        METADATA_KEY: contract.to_json(),
        GOLDEN_KEY: golden_to_metadata(feeds, backend.run(feeds)),
    }
    worst = onnx_file.write(
        out, trace(net, contract), metadata, weights, lambda path: compare(path, backend, contract)
    )
    write_card(out, card(contract, config, state, net, worst, weights), notes)
    return contract


def trace(net: FovNet, contract: FovContract) -> onnx.ModelProto:
    """Convert a network to ONNX with dynamic batch, height and width."""
    feeds = random_feeds(contract, 2, contract.train_sizes[0], seed=1)
    return to_onnx(net, feeds, FOV_OUTPUT, {FOV_INPUT: PICTURE_AXES, FOV_OUTPUT: {0: 'batch'}})


def random_feeds(contract: FovContract, batch: int, size: tuple[int, int], seed: int) -> Feeds:
    """Make smooth random pictures: blocks of one stride, each of a random colour."""
    rng = np.random.default_rng(seed)
    rows, columns = (side // contract.stride for side in size)
    colours = rng.uniform(-1, 1, (batch, 3, rows, columns)).astype(np.float32)
    block = np.ones((contract.stride, contract.stride), np.float32)
    return {FOV_INPUT: np.kron(colours, block)}


def compare(model: Path, backend: TorchBackend, contract: FovContract) -> float:
    """Return the largest relative difference from torch; `TrainError` beyond the tolerance."""
    runtime = OrtFovBackend(model)
    worst = check_golden(
        runtime.run, runtime.metadata, str(model), float('inf'), (FOV_INPUT,), FOV_OUTPUT
    )
    stride = contract.stride
    sizes = (*contract.train_sizes, (2 * stride, 3 * stride))
    for seed, size in enumerate(sizes, start=2):
        feeds = random_feeds(contract, seed - 1, size, seed)
        expected = backend.run(feeds)[FOV_OUTPUT]
        worst = max(worst, relative_difference(runtime.run(feeds)[FOV_OUTPUT], expected))
    runtime.close()
    refuse_difference(worst)
    return worst


def card(
    contract: FovContract,
    config: TrainConfig,
    state: dict[str, Any],
    net: FovNet,
    difference: float,
    weights: str,
) -> str:
    """Write the facts of an exported model, from its checkpoint."""
    low, high = contract.tan_half_vfov_range
    sizes = ', '.join(f'{h}x{w}' for h, w in contract.train_sizes)
    scales = (config.fov_scale_min, config.fov_scale_max)
    crops = f'crops of {scales[0]:g}-{scales[1]:g} of the rows, ' if scales != (1.0, 1.0) else ''
    rows = {
        'Parameters': f'{parameter_count(net) / 1e6:.2f} M (encoder of preset {config.preset})',
        'Input': f'RGB at {sizes}, the largest centred window of such a shape',
        'Output': 'tan(vfov / 2), for square pixels and a centred principal point',
        'Field of view trained for': f'{degrees_from_tan_half(low):.0f} to '
        f'{degrees_from_tan_half(high):.0f} degrees, vertical',
        'Data': shares_text(config.sources),
        'Augmentation': f'{crops}flip {config.flip}, photometric {config.photometric:g}',
        'Objective': 'L1 of log tan(vfov / 2)',
        'Samples seen': f'{state["clock"]:,} (batches of {config.batch}){started_from(state)}',
    }
    table = facts_table(rows, config, state, difference, weights)
    return (
        f'# {contract.name}\n\nThe vertical field of view of an uncalibrated camera, estimated '
        f'from a picture; for `fov_source: estimate`.\n\n{table}\n\n{LICENCE}'
    )


def main(arguments: list[str] | None = None) -> int:
    """Parse and export."""
    parser = argparse.ArgumentParser(prog='python -m train.fov.export', description=__doc__)
    parser.add_argument('run', type=Path, help='run folder, or one of its checkpoint files')
    parser.add_argument('--out', type=Path, required=True, help='the .onnx file to write')
    parser.add_argument(
        '--weights',
        choices=('fp16', 'fp32'),
        default='fp16',
        help='storage format (default: %(default)s)',
    )
    parser.add_argument('--notes', type=Path, help='Markdown file to append to the card')
    options = parser.parse_args(arguments)
    return in_one_line(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    notes = read_notes(options.notes)
    contract = export(options.run, options.out, options.weights, notes)
    size = options.out.stat().st_size / 1e6
    print(f'{options.out}: {contract.name}, {size:.2f} MB; card: {options.out.with_suffix(".md")}')


if __name__ == '__main__':
    sys.exit(main())
