# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every engine offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Feeds = Mapping[str, NDArray[np.float32]]
Outputs = dict[str, NDArray[np.float32]]

# Tensor names of every denoiser. rgb [B, 3, H, W] normalised, z [B, 1, H, W] noisy depth code,
# t [B] in [0, 1], tan_half_vfov [B] -> prediction [B, 1, H, W].
INPUTS = ('rgb', 'z', 't', 'tan_half_vfov')
OUTPUT = 'prediction'


class Backend(Protocol):
    """One loaded denoiser. `name` and `device` say what really runs, for logs and diagnostics."""

    name: str
    device: str

    def run(self, feeds: Feeds) -> Outputs:
        """Evaluate once; `feeds` holds every name of `INPUTS`, float32."""
        ...

    def close(self) -> None:
        """Release the engine; it is not used afterwards."""
        ...
