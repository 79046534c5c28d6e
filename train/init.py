# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Initial weights of a run: those of another run, of stage 0 or of a model file."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from dmd_ros.core.contract import Contract
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.shared_files import find_model
from train import checkpoint
from train.config import TrainConfig
from train.errors import TrainError
from train.onnx_weights import load_model
from train.stage0.adapt import depth_from_pictures
from train.unet import UNet

log = logging.getLogger(__name__)

# Fields of the contract that define the meaning of the network's inputs and outputs.
_MEANING = (
    'rgb_mean', 'rgb_std', 'depth_codec', 'depth_min_m', 'depth_max_m', 'fov_encoding',
    'parameterisation', 'schedule', 'noise', 'stride',
)  # fmt: skip


def needed(init: Path | None, run: Path, resume: bool) -> Path | None:
    """Return the initial weights that a run needs; None if it resumes from its own checkpoint.

    A resumed run has the same command as at its start, but these weights may have been moved.
    init: a path, or the name of a shipped model; raises `TrainError` for an unknown name.
    """
    if init is None or (resume and any(checkpoint.folder(run).glob('*.pt'))):
        return None
    if os.path.lexists(init) or init.suffix == '.onnx' or len(init.parts) > 1:
        return init
    try:
        return find_model(init)
    except BackendError as error:
        raise TrainError(f'--init {init} is not a file or folder, and {error}') from None


def load_weights(net: UNet, source: Path, contract: Contract) -> str:
    """Load weights from a run folder or checkpoint (the averaged weights) or an .onnx file.

    A depth network also accepts weights of stage 0, see `train.stage0.adapt`.
    contract: of the new run; logs a warning for each change of meaning from the old one.
    Return a description of the weights, see `origin`. Raises `TrainError`.
    """
    old: Contract | None = None
    state: dict[str, Any] | None = None
    if source.suffix == '.onnx':
        model = load_model(source)
        weights: dict[str, Tensor] = dict(model.net.state_dict())
        old = model.contract
        kind = f'preset {model.preset} (rays={model.net.rays}, fov={model.net.fov})'
    else:
        state = checkpoint.find(source)
        theirs = TrainConfig.from_json(state['config'])
        weights = state['ema']
        kind = f'preset {theirs.preset} (rays={theirs.rays}, fov={theirs.fov})'
        if theirs.stage == 'stage0':
            kind = f'preset {theirs.preset} (stage 0)'
            if net.channels == 1:
                weights = depth_from_pictures(weights, net)
        elif theirs.stage == 'fov':
            kind = f'the field-of-view network of preset {theirs.preset}'
        else:
            old = theirs.contract()
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainError(
            f'--init {source}: weights of {kind} do not fit this network: '
            f'{str(error).splitlines()[-1].strip()}'
        ) from None
    for change in changes_of_meaning(old, contract) if old else ():
        log.warning('--init %s: %s; the network has to learn the new meaning', source, change)
    return origin(source, state)


def origin(source: Path, state: dict[str, Any] | None) -> str:
    """Describe initial weights for users of the new model, without paths of this machine.

    state: the loaded checkpoint, which has the samples seen by its run; None: a model file, which
    is identified by a hash because names are not unique.
    """
    path = source.resolve()  # `.` has no name, and a link may change
    if state is None:
        return f'{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})'
    if path.is_file() and path.parent.name == checkpoint.folder(Path()).name:
        path = path.parent.parent  # the run; checkpoints are only named by samples
    return f'{path.name} at {state["clock"]:,} samples'


def changes_of_meaning(old: Contract, new: Contract) -> list[str]:
    """List changes in the meaning of a model's inputs and outputs, as 'key old -> new'."""
    return [
        f'{key} {getattr(old, key)} -> {getattr(new, key)}'
        for key in _MEANING
        if getattr(old, key) != getattr(new, key)
    ]
