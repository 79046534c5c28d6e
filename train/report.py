# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of a run: log lines, losses as JSON lines, TensorBoard scalars, pictures."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from dmd_ros.core.colormap import colorize
from dmd_ros.core.contract import Contract
from dmd_ros.core.depth_codec import decode
from train.config import TrainConfig
from train.errors import TrainError
from train.history import LOSSES
from train.loss import Batch
from train.provenance import revision

log = logging.getLogger(__name__)

_PICTURES = 4


class Report:
    """Writers of one run folder; created by the main process only."""

    def __init__(self, run: Path, config: TrainConfig, origin: str = '') -> None:
        """Write config, revision and origin of the run; open log and TensorBoard.

        origin: see `train.init.origin`. Raises `TrainError` if another process trains in this
        folder.
        """
        run.mkdir(parents=True, exist_ok=True)
        self._losses = open(run / LOSSES, 'a+')  # noqa: SIM115 (lives as long as the run)
        try:
            fcntl.lockf(self._losses, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainError(
                f'another process trains in {run}; end that one, or choose another --out'
            ) from None
        except OSError as error:  # a network file system without locks
            log.warning('%s cannot be locked (%s): do not start another run in it', run, error)
        if _is_cut_short(self._losses.fileno()):
            self._losses.write('\n')
        (run / 'config.json').write_text(config.to_json() + '\n')
        with open(run / 'revision.txt', 'a') as file:
            file.write(revision() + '\n')
        handler = logging.FileHandler(run / 'log.txt')
        handler.setFormatter(logging.Formatter('%(asctime)s %(message)s', '%m-%d %H:%M:%S'))
        logging.getLogger('train').addHandler(handler)
        self._handler = handler
        (run / 'origin.txt').unlink(missing_ok=True)  # from a run without a checkpoint
        if origin:
            (run / 'origin.txt').write_text(origin + '\n')
            log.info('initial weights: %s', origin)
        self._board = SummaryWriter(str(run / 'tensorboard'))

    def losses(self, clock: int, values: dict[str, Any], **words: str) -> None:
        """Append one line of numbers at `clock`, and add them to TensorBoard.

        words: strings for the line only, because TensorBoard scalars are numbers.
        """
        self._losses.write(json.dumps({'clock': clock, **values, **words}) + '\n')
        self._losses.flush()
        for key, value in values.items():
            self._board.add_scalar(key, value, clock)

    def pictures(self, clock: int, batch: Batch, x_hat: Tensor, contract: Contract) -> None:
        """Show the first examples: picture, truth and estimate, on a fixed colour scale.

        Stage 0: the degraded picture, the original and the estimate.
        """
        rows = [
            _row(*(t[i].float().cpu().numpy() for t in (batch.rgb, batch.code, x_hat)), contract)
            for i in range(min(_PICTURES, batch.rgb.shape[0]))
        ]
        self._board.add_image('examples', np.concatenate(rows), clock, dataformats='HWC')
        self._board.flush()

    def close(self) -> None:
        """Flush and close everything."""
        self._losses.close()
        self._board.close()
        logging.getLogger('train').removeHandler(self._handler)
        self._handler.close()


def _is_cut_short(file: int) -> bool:
    """Return whether the last line of an open file is incomplete; the next would merge with it."""
    # With the descriptor that holds the lock, because closing another one would release it.
    size = os.fstat(file).st_size
    return size > 0 and os.pread(file, 1, size - 1) != b'\n'


def picture_of(planes: NDArray[np.float32], contract: Contract) -> NDArray[np.uint8]:
    """Convert a normalised picture [3, h, w] back to uint8 [h, w, 3]."""
    std, mean = np.asarray(contract.rgb_std), np.asarray(contract.rgb_mean)
    scaled = (planes.transpose(1, 2, 0) * std + mean) * 255.0 + 0.5
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _row(
    rgb: NDArray[np.float32],
    code: NDArray[np.float32],
    x_hat: NDArray[np.float32],
    contract: Contract,
) -> NDArray[np.uint8]:
    if code.shape[0] > 1:
        return np.concatenate([picture_of(p, contract) for p in (rgb, code, x_hat)], axis=1)
    depths = [decode(np.clip(c[0], -1.0, 1.0), contract) for c in (code, x_hat)]
    near, far = max(contract.depth_min_m, 0.3), min(contract.depth_max_m, 40.0)
    colours = picture_of(rgb, contract)
    return np.concatenate([colours, *(colorize(d, near, far) for d in depths)], axis=1)
