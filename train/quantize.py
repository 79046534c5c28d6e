# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a model file faster on CPUs: its convolutions in int8.

    python -m train.quantize dmd_worlds --out models/dmd_worlds_int8.onnx --assets MATERIALS

Ranges are calibrated on frames of `--source`. As many other frames measure the change of depth,
the error of both models and their speed on this machine. A card beside the file has the results.
Worlds are of held-out seeds, which training never uses. Convolutions sensitive to rounding stay
float32, and nothing is written if depth changes by more than 3 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from tqdm import tqdm

from dmd_ros.core.contract import METADATA_KEY, Contract
from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.judge import settled
from dmd_ros.eval.metrics import Score, mean_score, score
from dmd_ros.eval.options import positive
from dmd_ros.eval.output.report import markdown_table
from dmd_ros.runtime.backend import Feeds, Outputs
from dmd_ros.runtime.engine_file import sha256_of
from dmd_ros.runtime.model_file import (
    GOLDEN_KEY,
    INT8_TOLERANCE,
    TOLERANCE_KEY,
    golden_from_metadata,
    golden_to_metadata,
)
from dmd_ros.runtime.ort_backend import OrtBackend
from dmd_ros.runtime.shared_files import DEFAULT_MODEL, find_model
from train import int8_graph, onnx_file
from train.card import LICENCE, write_card
from train.config import make_config
from train.datasets.worlds import OnlineWorlds
from train.errors import TrainError, in_one_line
from train.mixtures import WORLDS
from train.provenance import hardware
from train.sources import Source, open_source
from train.validate import spread_over
from train.worlds import held_out

# Maximum change of depth in the recommended steps: mean |ratio - 1| over the evaluated frames.
MOST = 0.03
# Other common numbers of steps.
_STEPS = (1, 2, 4)
_SEED = 8
FLOAT, INT8 = 'float32', 'int8'


class Recorder:
    """A backend that records its inputs."""

    def __init__(self, backend: OrtBackend) -> None:
        """Wrap a backend."""
        self._backend = backend
        self.name, self.device, self.precision = backend.name, backend.device, backend.precision
        self.fed: list[Feeds] = []

    def run(self, feeds: Feeds) -> Outputs:
        """Evaluate the wrapped backend once."""
        self.fed.append({name: np.array(value) for name, value in feeds.items()})
        return self._backend.run(feeds)

    def close(self) -> None:
        """Close the wrapped backend."""
        self._backend.close()


@dataclass(frozen=True)
class Comparison:
    """The models `FLOAT` and `INT8` on the same frames, in `steps` steps.

    moved: mean |ratio - 1| of depth. ms: median milliseconds per evaluation, on all cores.
    """

    steps: int
    moved: float
    scores: dict[str, Score]
    ms: dict[str, float]

    @property
    def speed_up(self) -> float:
        """Factor by which the int8 model is faster."""
        return self.ms[FLOAT] / self.ms[INT8]


def quantize(options: argparse.Namespace) -> Comparison:
    """Write the model and its card; return the comparison in the recommended steps.

    Raises `TrainError` or `BackendError` without writing anything.
    """
    onnx_file.check_out(options.out)
    path = find_model(options.model)
    if options.out.exists() and options.out.samefile(path):
        raise TrainError(
            f'--out {options.out} is the float model itself; choose another name, such as '
            f'{path.stem}_int8.onnx'
        )
    before = OrtBackend(path)
    golden, _ = golden_from_metadata(before.metadata, str(path))
    found: dict[int, Comparison] = {}

    def difference(written: Path) -> float:
        after = OrtBackend(written)
        for steps in steps_of(before.contract):
            found[steps] = compare(before, after, frames[1::2], steps)
        after.close()
        _refuse(found[before.contract.steps])
        return found[before.contract.steps].moved

    with tempfile.TemporaryDirectory() as folder:
        plain, rounded = Path(folder, 'plain.onnx'), Path(folder, 'rounded.onnx')
        layers = int8_graph.prepare(path, plain)
        frames = _frames(options.source, options.assets, before.contract, 2 * options.frames)
        feeds = record(before, frames[::2])
        chosen = int8_graph.choose(plain, layers, feeds, rounded)
        if not chosen:
            raise TrainError(f'no layer of {path} tolerates rounding; keep the float model')
        int8_graph.write(plain, rounded, chosen, feeds)
        metadata = _metadata(before.contract, golden, OrtBackend(rounded))
        onnx_file.write(options.out, onnx.load(str(rounded)), metadata, 'fp16', difference)
    kept = [layer for layer in layers if layer not in chosen]
    write_card(options.out, _card(options, path, len(chosen), kept, list(found.values())), '')
    return found[before.contract.steps]


def steps_of(contract: Contract) -> list[int]:
    """Return the numbers of steps for calibration and evaluation."""
    return [1] if contract.noise == 'zeros' else sorted({*_STEPS, contract.steps})


def record(backend: OrtBackend, frames: Sequence[RawSample]) -> list[Feeds]:
    """Return the inputs of the network during estimation of these frames."""
    recorder = Recorder(backend)
    steps = steps_of(backend.contract)
    for index, raw in enumerate(tqdm(frames, desc='calibration', unit='frame')):
        few = steps[index % len(steps)]
        DepthEstimator(backend.contract, recorder, steps=few, samples=1)(raw.rgb, raw.camera)
    return recorder.fed


def compare(
    before: OrtBackend, after: OrtBackend, frames: Sequence[RawSample], steps: int
) -> Comparison:
    """Run both models on each frame, one after the other."""
    models = {FLOAT: before, INT8: after}
    estimators = {n: DepthEstimator(b.contract, b, steps=steps) for n, b in models.items()}
    scores: dict[str, list[Score]] = {name: [] for name in models}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    moved = []
    for raw in tqdm(frames, desc=f'judging, {steps} step(s)', unit='frame'):
        depth = {}
        for name, estimator in estimators.items():
            frame = estimator(raw.rgb, raw.camera)
            depth[name] = settled(frame.depth, estimator.contract)
            scores[name].append(score(depth[name], raw.depth))
            seconds[name].append(frame.timings['denoise'] / steps)
        moved.append(np.nanmean(np.abs(depth[INT8] / depth[FLOAT] - 1.0)))
    return Comparison(
        steps,
        float(np.mean(moved)),
        {name: mean_score(s) for name, s in scores.items()},
        {name: 1e3 * float(np.median(s)) for name, s in seconds.items()},
    )


def _refuse(usual: Comparison) -> None:
    """Raise `TrainError` if depth changes too much in the recommended steps."""
    if not usual.moved <= MOST:
        raise TrainError(
            f'depth moves by {usual.moved:.1%} in int8, allowed {MOST:.0%}; nothing was written. '
            'Calibrate on frames like those of your camera (--source) and on more (--frames), or '
            'keep the float model'
        )


def _frames(source: str, assets: str, contract: Contract, count: int) -> list[RawSample]:
    """Load `count` frames: spread over a dataset, or one of each world."""
    opened: Source
    if source == WORLDS:
        opened = OnlineWorlds(held_out(_SEED), assets, contract.train_sizes)
    else:
        opened = open_source(source, make_config('nano', []))
        if len(opened) < count:
            raise TrainError(
                f'source {source} has {len(opened)} frames, but {count} are needed, half to '
                f'calibrate and half to evaluate: lower --frames, or use a larger source'
            )
    chosen = spread_over(opened, count)
    return [opened.load(index) for index in tqdm(chosen, desc='frames', unit='frame')]


def _metadata(contract: Contract, golden: Feeds, after: OrtBackend) -> dict[str, str]:
    """Return the contract under a new name, and the golden input with the output of int8."""
    output = after.run(golden)
    after.close()
    return {
        METADATA_KEY: dataclasses.replace(contract, name=f'{contract.name}_int8').to_json(),
        GOLDEN_KEY: golden_to_metadata(golden, output),
        TOLERANCE_KEY: str(INT8_TOLERANCE),
    }


def _card(
    options: argparse.Namespace,
    path: Path,
    rounded: int,
    kept: Sequence[str],
    found: Sequence[Comparison],
) -> str:
    header = ('steps', 'model', 'frames', 'AbsRel', 'delta1', 'RMSE m', 'depth moved by')
    rows = [
        (
            str(c.steps), name, s.frames, f'{s.abs_rel:.3f}', f'{s.delta1:.3f}', f'{s.rmse:.2f}',
            f'{c.moved:.1%}' if name == INT8 else '',
        )
        for c in found for name, s in c.scores.items()
    ]  # fmt: skip
    ms, machine = found[0].ms, hardware(torch.device('cpu'), 1)
    kind, _, where = options.source.partition(':')
    source = f'{kind} {Path(where.partition("?")[0]).name}'.strip()
    if kind == WORLDS:
        source = 'worlds of held-out seeds'
    return (
        f'# {options.out.stem}\n\n{path.stem} (sha256 {sha256_of(path)[:12]}) for ONNX Runtime on '
        f'CPUs: {rounded} of {rounded + len(kept)} convolutions compute in int8. Training, '
        f'accuracy and limits: see its card.\n\nAn evaluation took {ms[INT8]:.1f} ms instead of '
        f'{ms[FLOAT]:.1f} (medians over the frames below, in turn) on {machine}.\n\n'
        f'{markdown_table(header, rows)}\nFrames of {source}; the ranges were calibrated on as '
        f'many others. Kept in float32, because each alone would change the depth code by more '
        f'than {int8_graph.LAYER_ERROR:g}: {", ".join(kept) or "none"}.\n\n{LICENCE}'
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _parse(arguments)
    return in_one_line(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    found = quantize(options)
    print(
        f'{options.out}: depth moved by {found.moved:.1%}, {found.speed_up:.2f} times as fast '
        f'here; card: {options.out.with_suffix(".md")}'
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m train.quantize', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add('model', nargs='?', default=DEFAULT_MODEL, help='.onnx or name (default: %(default)s)')
    add('--out', type=Path, required=True, help='the .onnx file to write')
    add(
        '--source',
        default=WORLDS,
        help='frames, as in the setting sources of a run: bag:drive.mcap, ... (default: worlds)',
    )
    add('--assets', default='', help='folder of photographic materials for worlds')
    add('--frames', type=positive, default=48,
        help='frames to calibrate, and as many to evaluate (default: 48)')  # fmt: skip
    return parser.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
