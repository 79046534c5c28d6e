# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m train.export RUN --out models/NAME.onnx`: from checkpoint to model file.

Write the averaged weights as ONNX opset 17 with dynamic batch, height and width, with the contract
and a golden input and output in the metadata, and a model card beside it. If ONNX Runtime and
torch disagree, nothing is written.

A short run on new data forgets some of what the model knew. The mean of its weights and of those
it started from (`--average`) often performs better than both: Wortsman et al., "Robust fine-tuning
of zero-shot models", 2022.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from torch import Tensor

from dmd_ros.core.contract import METADATA_KEY, Contract
from dmd_ros.core.errors import CoreError
from dmd_ros.runtime.backend import OUTPUT, Feeds
from dmd_ros.runtime.model_file import (
    GOLDEN_KEY,
    check_golden,
    golden_to_metadata,
    relative_difference,
)
from dmd_ros.runtime.ort_backend import OrtBackend
from dmd_ros.runtime.shared_files import find_model
from train import checkpoint, onnx_file
from train.card import card, read_notes, write_card
from train.config import TrainConfig
from train.errors import TrainError, in_one_line
from train.init import changes_of_meaning
from train.loop import build_net
from train.onnx_file import PICTURE_AXES, refuse_difference, to_onnx
from train.onnx_weights import load_model
from train.torch_backend import TorchBackend
from train.unet import UNet


def export(
    source: Path,
    out: Path,
    weights: str = 'fp16',
    notes: str = '',
    average: Path | None = None,
    **contract_changes: object,
) -> Contract:
    """Export the newest checkpoint of a run (or a checkpoint file) to `out`; raises `TrainError`.

    weights: 'fp16' halves the file; the computation uses float32 in either case.
    notes: Markdown to append to the card (accuracy on real frames, failures, limits).
    average: model file of `train.export` whose weights are averaged with those of the run.
    contract_changes: recommendations (steps, samples, name) that differ from the run's config.
    """
    onnx_file.check_out(out)
    state = checkpoint.find(source)
    config = TrainConfig.from_json(state['config'])
    if config.stage == 'stage0':
        raise TrainError(
            f'{source} is a run of stage 0, which restores pictures and does not predict depth; '
            f'train depth from it (python -m train.run --init {source}) and export that run'
        )
    try:
        contract = dataclasses.replace(config.contract(), **contract_changes)
    except CoreError as error:
        raise TrainError(str(error)) from None
    net = build_net(config)
    learned = state['ema'] if average is None else mean_with(average, state['ema'], contract)
    onnx_file.fill(net, learned, weights)
    backend = TorchBackend(net)
    feeds = random_feeds(contract, 1, 2, 3, seed=0)
    golden = golden_to_metadata(feeds, backend.run(feeds))
    metadata = {METADATA_KEY: contract.to_json(), GOLDEN_KEY: golden}
    worst = onnx_file.write(
        out, trace(net, contract), metadata, weights, lambda path: compare(path, backend, contract)
    )
    run = source.parent.parent if source.is_file() else source
    text = card(out, contract, config, state, run, net, worst, weights, average)
    write_card(out, text, notes)
    return contract


def mean_with(path: Path, weights: Mapping[str, Tensor], contract: Contract) -> dict[str, Tensor]:
    """Average weights with those of a model file of the same network; raises `TrainError`."""
    other = load_model(path)
    theirs = other.net.state_dict()
    same = theirs.keys() == weights.keys()
    if not same or any(theirs[name].shape != w.shape for name, w in weights.items()):
        raise TrainError(
            f'--average {path}: preset {other.preset} (rays={other.net.rays}, '
            f'fov={other.net.fov}) is a different network from that of the run; specify the model '
            'that the run started from'
        )
    if changes := changes_of_meaning(other.contract, contract):
        raise TrainError(
            f'--average {path} has a different meaning from the run: {"; ".join(changes)}'
        )
    return {name: 0.5 * (w + theirs[name]) for name, w in weights.items()}


def trace(net: UNet, contract: Contract) -> onnx.ModelProto:
    """Convert a network to ONNX with dynamic batch, height and width."""
    axes = {'rgb': PICTURE_AXES, 'z': PICTURE_AXES, OUTPUT: PICTURE_AXES}
    axes |= {'t': {0: 'batch'}, 'tan_half_vfov': {0: 'batch'}}
    return to_onnx(net, random_feeds(contract, 2, 3, 4, seed=1), OUTPUT, axes)


def random_feeds(contract: Contract, batch: int, rows: int, columns: int, seed: int) -> Feeds:
    """Make random inputs of rows x columns strides, in the order of the network's arguments."""
    rng = np.random.default_rng(seed)
    shape = (rows * contract.stride, columns * contract.stride)
    low, high = contract.tan_half_vfov_range
    return {
        'rgb': rng.uniform(-1, 1, (batch, 3, *shape)).astype(np.float32),
        'z': rng.standard_normal((batch, 1, *shape), np.float32),
        't': rng.uniform(0.5, 1, batch).astype(np.float32),
        'tan_half_vfov': rng.uniform(low, high, batch).astype(np.float32),
    }


def compare(model: Path, backend: TorchBackend, contract: Contract) -> float:
    """Return the largest relative difference from torch; `TrainError` beyond the tolerance."""
    runtime = OrtBackend(model)
    worst = check_golden(runtime.run, runtime.metadata, str(model), tolerance=float('inf'))
    for seed, (batch, rows, columns) in enumerate(((1, 2, 2), (2, 3, 5), (3, 4, 2)), start=2):
        feeds = random_feeds(contract, batch, rows, columns, seed)
        expected = backend.run(feeds)[OUTPUT]
        worst = max(worst, relative_difference(runtime.run(feeds)[OUTPUT], expected))
    runtime.close()
    refuse_difference(worst)
    return worst


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments and export."""
    parser = argparse.ArgumentParser(prog='python -m train.export', description=__doc__)
    parser.add_argument('run', type=Path, help='run folder, or one of its checkpoint files')
    parser.add_argument('--out', type=Path, required=True, help='the .onnx file to write')
    parser.add_argument(
        '--weights',
        choices=('fp16', 'fp32'),
        default='fp16',
        help='precision of the stored weights (default: %(default)s)',
    )
    parser.add_argument('--steps', type=int, help="recommended steps (default: the run's)")
    parser.add_argument('--samples', type=int, help="recommended samples (default: the run's)")
    parser.add_argument('--notes', type=Path, help='Markdown file to append to the card')
    parser.add_argument(
        '--average', metavar='MODEL', help='.onnx file or name of the model the run started from'
    )
    parser.add_argument('--name', help='model name in logs (default: dmd-PRESET)')
    options = parser.parse_args(arguments)
    return in_one_line(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    changes = {
        key: value
        for key in ('steps', 'samples', 'name')
        if (value := getattr(options, key)) is not None
    }
    notes = read_notes(options.notes)
    average = None if options.average is None else find_model(options.average)
    contract = export(options.run, options.out, options.weights, notes, average, **changes)
    size = options.out.stat().st_size / 1e6
    print(f'{options.out}: {contract.name}, {size:.1f} MB; card: {options.out.with_suffix(".md")}')


if __name__ == '__main__':
    sys.exit(main())
