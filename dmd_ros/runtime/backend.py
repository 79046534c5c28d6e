# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of all backends, and the tensor names of the networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Feeds = Mapping[str, Floats]
Outputs = dict[str, Floats]

# Tensor names of every denoiser. rgb [B, 3, H, W] normalised, z [B, 1, H, W] noisy depth code,
# t [B] in [0, 1], tan_half_vfov [B] -> prediction [B, 1, H, W].
INPUTS = ('rgb', 'z', 't', 'tan_half_vfov')
OUTPUT = 'prediction'
# Tensor names of every field-of-view network: rgb [B, 3, H, W] normalised -> tan(vfov / 2) [B].
FOV_INPUT = 'rgb'
FOV_OUTPUT = 'tan_half_vfov'

# CPU threads; ONNX Runtime itself has no limit and would try to start a hundred thousand.
MAX_THREADS = 256


class Backend(Protocol):
    """One loaded network. name, device, precision: actually in use; for logs and diagnostics."""

    name: str
    device: str
    precision: str

    def run(self, feeds: Feeds) -> Outputs:
        """Evaluate once; `feeds` has every input (of a denoiser: `INPUTS`), float32."""
        ...

    def close(self) -> None:
        """Release the engine, which must not be used afterwards."""
        ...


@runtime_checkable
class SamplerBackend(Protocol):
    """A backend that also runs the whole few-step sampler on the network's device."""

    def sample(
        self,
        rgb: Floats,
        tan_half_vfov: float,
        noise: Floats,
        fresh_noise: Iterator[Floats],
        times: Sequence[float],
        sampler: str,
    ) -> Floats:
        """Run `core.diffusion.sample` with this network; return depth codes [S, 1, h, w].

        rgb: one picture [1, 3, h, w].
        noise: initial z [S, 1, h, w].
        fresh_noise: arrays like `noise`, used only by the ancestral sampler, one for every step
            except the last.
        """
        ...
