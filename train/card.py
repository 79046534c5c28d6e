# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model card: what a model was made from and what it can do, in Markdown."""

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

# Of every card: nobody here knows what somebody's data are licensed for.
LICENCE = (
    '## Licence\n\nOf the code: Apache-2.0. Of the weights: what the licences of the training '
    'data allow.\n'
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
    """Write the card of an exported model: facts, from the checkpoint and the run's folder.

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
    # Rendered on the device, the virtual camera is the renderer's own.
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
    stored = f'{weights}, half and half with {average.name}' if average else weights
    table = facts_table(rows, config, state, difference, stored)
    return (
        f'# {out.stem}\n\nA metric monocular depth denoiser after arXiv 2312.13252, trained by '
        f'this repository.\n\n{table}\n\n## Accuracy\n\n'
        f'{_accuracy(run, clock, config.contract(), average)}\n\n{LICENCE}'
    )


def started_from(state: dict[str, Any]) -> str:
    """Say what a run's samples came on top of; empty: nothing, or its checkpoint does not say."""
    origin = state.get('origin', '')
    return f', starting from the weights of {origin}' if origin else ''


def read_notes(path: Path | None) -> str:
    """Read Markdown to append to a card, '' without a file; raises `TrainError`."""
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
    """Markdown table of a card: its own rows, then how the weights came about."""
    made = {
        'Training time': f'{hours(state["seconds"])} on {state["hardware"]}',
        'Code revision': state['revision'],
        'Weights': f'average (half-life {config.ema:,} samples), stored as {weights}; '
        f'ONNX Runtime and torch differ by {difference:.1e}',
    }
    lines = [f'| {key} | {value} |' for key, value in (rows | made).items()]
    return '\n'.join(['| | |', '|---|---|', *lines])


def _accuracy(run: Path, clock: int, judged: Contract, average: Path | None) -> str:
    """Say what the last validation up to this checkpoint gave, and what was judged then."""
    found = [values for values in validations(run) if values['clock'] <= clock]
    if not found:
        return 'Not validated during training.'
    last = found[-1]
    before = f', before the mean with {average.name} was taken' if average else ''
    return (
        f'Held-out frames at {last["clock"]:,} samples{before}, through the shipped estimator '
        f'({judged.steps} step(s), {judged.samples} sample(s)), no alignment: '
        f'AbsRel {last["validation/abs_rel"]:.3f}, '
        f'delta1 {last["validation/delta1"]:.3f}, '
        f'RMSE {last["validation/rmse"]:.2f} m, coverage {last["validation/coverage"]:.3f}.'
    )
