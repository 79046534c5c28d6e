# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model card, in Markdown: origin and accuracy of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dmd_ros.core.contract import Contract
from train.config import TrainConfig
from train.errors import TrainError
from train.history import validations
from train.sources import shares_text
from train.speed import hours
from train.unet import UNet, parameter_count

# Part of every card; the licences of the user's training data are unknown here.
LICENCE = (
    '## Licence\n\nCode: Apache-2.0. Weights: as permitted by the licences of the training data.\n'
)


def card(
    out: Path,
    contract: Contract,
    config: TrainConfig,
    state: dict[str, Any],
    run: Path,
    net: UNet,
    difference: float,
    weights: str,
    average: Path | None,
) -> str:
    """Return the card of an exported model, from its checkpoint and run folder.

    average: model file whose weights were averaged with those of the run.
    """
    low, high = contract.tan_half_vfov_range
    clock = state['clock']
    sizes = ', '.join(f'{h}x{w}' for h, w in contract.train_sizes)
    objective = (
        'end-to-end regression at t = 1 (zeros as noise)'
        if config.stage == 'end_to_end'
        else f'{config.parameterisation} diffusion, truncated-SNR L1, '
        f'{config.t1_fraction:.0%} of samples at t = 1'
    )
    # The renderer chooses the virtual camera of worlds rendered on the device.
    whose = ' (of sources other than worlds)' if config.worlds_on == 'device' else ''
    augmentation = (
        f'FOV scale {config.fov_scale_min:g}-{config.fov_scale_max:g}{whose}, '
        f'flip {config.flip}, photometric {config.photometric:g}'
    )
    rows = {
        'Parameters': f'{parameter_count(net) / 1e6:.2f} M (preset {config.preset}, '
        f'rays {config.rays}, FOV {config.fov})',
        'Input': f'RGB at {sizes} and other multiples of {contract.stride}; tan(vfov / 2)',
        'Output': f'{contract.depth_codec} depth, '
        f'{contract.depth_min_m:g}-{contract.depth_max_m:g} m',
        'Field of view trained for': f'tan(vfov / 2) in {low:g}-{high:g}',
        'Recommended': f'{contract.steps} step(s), {contract.samples} sample(s)',
        'Data': shares_text(config.sources),
        'Augmentation': augmentation,
        'Objective': objective,
        'Samples seen': f'{clock:,} ({clock // config.batch:,} steps of {config.batch})'
        + started_from(state),
    }
    stored = f'{weights}, averaged with {average.name}' if average else weights
    table = facts_table(rows, config, state, difference, stored)
    return (
        f'# {out.stem}\n\nA metric monocular depth denoiser after arXiv 2312.13252, trained by '
        f'this repository.\n\n{table}\n\n## Accuracy\n\n'
        f'{_accuracy(run, clock, config.contract(), average)}\n\n{LICENCE}'
    )


def started_from(state: dict[str, Any]) -> str:
    """Describe the weights that a run started from; empty: none, or not in its checkpoint."""
    origin = state.get('origin', '')
    return f', starting from the weights of {origin}' if origin else ''


def read_notes(path: Path | None) -> str:
    """Read Markdown to append to a card; return '' without a file; raises `TrainError`."""
    try:
        return path.read_text(encoding='utf-8') if path else ''
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f'--notes {path} cannot be read as text ({error})') from None


def write_card(out: Path, text: str, notes: str) -> None:
    """Write the card of model file `out` beside it; notes: Markdown to append."""
    notes = notes.strip()
    out.with_suffix('.md').write_text(f'{text}\n{notes}\n' if notes else text)


def add_to_card(out: Path, notes: str) -> None:
    """Append Markdown to the card of model file `out`."""
    write_card(out, out.with_suffix('.md').read_text(), notes)


def facts_table(
    rows: dict[str, str],
    config: TrainConfig,
    state: dict[str, Any],
    difference: float,
    weights: str,
) -> str:
    """Format the Markdown table of a card: `rows`, then the origin of the weights."""
    made = {
        'Training time': f'{hours(state["seconds"])} on {state["hardware"]}',
        'Code revision': state['revision'],
        'Weights': f'average (half-life {config.ema:,} samples), stored as {weights}; '
        f'ONNX Runtime and torch differ by {difference:.1e}',
    }
    lines = [f'| {key} | {value} |' for key, value in (rows | made).items()]
    return '\n'.join(['| | |', '|---|---|', *lines])


def _accuracy(run: Path, clock: int, judged: Contract, average: Path | None) -> str:
    """Describe the last validation up to this checkpoint: its model and its scores."""
    found = [values for values in validations(run) if values['clock'] <= clock]
    if not found:
        return 'Not validated during training.'
    last = found[-1]
    before = f', before averaging with {average.name}' if average else ''
    return (
        f'Held-out frames at {last["clock"]:,} samples{before}, with the shipped estimator '
        f'({judged.steps} step(s), {judged.samples} sample(s)), no alignment: '
        f'AbsRel {last["validation/abs_rel"]:.3f}, '
        f'delta1 {last["validation/delta1"]:.3f}, '
        f'RMSE {last["validation/rmse"]:.2f} m, coverage {last["validation/coverage"]:.3f}.'
    )
