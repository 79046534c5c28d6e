# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sizes of denoisers, one line each. `python -m train.presets` counts their parameters."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from train.errors import TrainError
from train.unet import NetSpec, UNet, parameter_count


@dataclass(frozen=True)
class Preset:
    """A denoiser and the learning rate for its size."""

    net: NetSpec
    lr: float


# fmt: off
PRESETS = {
    # channels, blocks and attention per level; embedding[, stem, head_dim, middle]; learning rate
    'micro': Preset(NetSpec((16, 32), (1, 1), (0, 1), 32, head_dim=16), 2e-3),  # tests only
    'nano': Preset(NetSpec((24, 48, 72, 96), (1, 1, 1, 2), (0, 0, 0, 1), 96, head_dim=24), 1e-3),
    'tiny': Preset(NetSpec((32, 64, 128, 192), (1, 1, 2, 2), (0, 0, 0, 1), 256), 7e-4),
    'small': Preset(NetSpec((48, 96, 224, 384), (1, 2, 3, 2), (0, 0, 0, 2), 384), 4e-4),
    'base': Preset(NetSpec((80, 160, 320, 576), (2, 3, 4, 3), (0, 0, 1, 3), 576, 2, 64), 2e-4),
    'paper': Preset(
        NetSpec((128, 256, 512, 1024), (2, 4, 8, 8), (0, 0, 8, 8), 1024, 1, 64, 2), 1e-4),
}
# fmt: on


def preset(name: str) -> Preset:
    """Return a preset; raises `TrainError` that lists the known ones."""
    if name not in PRESETS:
        raise TrainError(f'preset {name!r} is unknown; allowed: {", ".join(PRESETS)}')
    return PRESETS[name]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of presets."""
    parser = argparse.ArgumentParser(prog='python -m train.presets', description=__doc__)
    parser.parse_args(arguments)
    for name, entry in PRESETS.items():
        with torch.device('meta'):
            count = parameter_count(UNet(entry.net))
        print(f'{name:6} {count / 1e6:8.2f} M parameters  stride {entry.net.stride}  {entry.net}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
