# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Worlds rendered on the training device: a store of frames that is renewed during training.

Workers build scenes, the device renders them, and every frame is used `reuse` times on average
before newer ones replace it. The disk is not used. Batch n depends only on the config and n: a
resumed run renders the content of its store again.

The virtual camera is drawn when a frame is rendered, so there is nothing to crop or resize: the
picture has the network's size. Look-up tables of the robot's own `normalise` and `encode` convert
it to the network's input.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmd_ros.core.depth_codec import encode
from dmd_ros.core.preprocess import normalise
from train.batch_image import look_up, scalar
from train.config import TrainConfig
from train.loss import Batch
from train.mixture import draw_batch, share_of
from train.photometric import photometric_batch
from train.workers import made_ahead
from train.worlds.batch import Renderer, picture_and_depth, renderer
from train.worlds.parts import FRAMES, Part, WorldParts

_DRAW, _RENDER = 3, 4
# The number of float16 values; `encode` computes the depth code of each.
_HALVES = 1 << 16


@dataclass
class _Store:
    """Frames of one size in a ring buffer of parts. count: the total number of stored parts."""

    rgb: Tensor  # uint8 [capacity, FRAMES, 3, H, W]
    depth: Tensor  # float16 [capacity, FRAMES, H, W], metres
    tan_half_vfov: Tensor  # float32 [capacity, FRAMES]
    count: int = 0

    @property
    def frames(self) -> int:
        """Number of available frames."""
        return min(self.count, len(self.rgb)) * FRAMES


class DeviceWorlds:
    """Batches of world frames by number, in order, on the training device."""

    def __init__(
        self,
        config: TrainConfig,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Create the store of one of `world` processes, for its share of each batch."""
        self._config, self._share, self._device = config, share_of(config, world), device
        self._rank, self._world = rank, world
        self._parts = WorldParts(
            config.seed,
            config.size_list,
            config.size_shares,
            config.kind_shares,
            config.assets,
            world,
        )
        self._render: Renderer | None = None
        self._tables(device)
        self._stores: dict[tuple[int, int], _Store] = {}
        self._incoming: Iterator[Part] | None = None
        self._done = 0

    def _tables(self, device: torch.device) -> None:
        contract = self._config.contract()
        levels = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
        normal = normalise(levels, contract)[0, :, 0]  # [3, 256]
        self._normal = torch.from_numpy(normal).to(device)
        halves = np.arange(_HALVES, dtype=np.uint32).astype(np.uint16).view(np.float16)
        with np.errstate(invalid='ignore'):
            codes = encode(np.maximum(halves.astype(np.float32), 0.0), contract)
        self._codes = torch.from_numpy(codes).to(device)

    def wanted(self, number: int) -> int:
        """Return the number of parts to render before batch `number` is drawn."""
        made = number * self._share / (self._config.reuse * FRAMES)
        return self._config.first_parts + int(made)

    def batch(self, number: int) -> Batch:
        """Render parts that are due and draw batch `number`; numbers must not decrease."""
        if self._incoming is None:
            self._begin(number)
        while self._done < self.wanted(number):
            self._take()
            self._done += 1
        return self._draw(number)

    def _begin(self, number: int) -> None:
        """Start the workers with the parts that the stores hold at batch `number`."""
        self._done = self.wanted(number)
        held = self._held(self._done)
        numbers = (
            part * self._world + self._rank
            for part in itertools.chain(held, itertools.count(self._done))
        )
        self._incoming = made_ahead(self._parts, numbers, self._config.workers)
        # After the workers have started: they build scenes while the kernels are compiled.
        self._render = renderer(self._config.assets, self._device)
        for _ in held:
            self._take()

    def _held(self, done: int) -> list[int]:
        """List which of the first `done` parts are still in a store, and set the stores' counts.

        A part is stored in the same slot whether the run was interrupted or not.
        """
        by_size: dict[tuple[int, int], list[int]] = {}
        for part in range(done):
            size = self._parts.size_of(part * self._world + self._rank)
            by_size.setdefault(size, []).append(part)
        held: list[int] = []
        for size, parts in by_size.items():
            store = self._store(size)
            kept = parts[-len(store.rgb) :]
            store.count = len(parts) - len(kept)
            held += kept
        return sorted(held)

    def _take(self) -> None:
        """Render the next part into the store, replacing the oldest one of its size."""
        assert self._incoming is not None and self._render is not None
        part = next(self._incoming)
        generator = self._generator(_RENDER, part.number)
        rgb, depth = picture_and_depth(self._render, part, generator)
        store = self._store(part.size)
        slot = store.count % len(store.rgb)
        store.rgb[slot], store.depth[slot] = rgb, depth
        store.tan_half_vfov[slot] = torch.from_numpy(part.tan_half_vfov).to(self._device)
        store.count += 1

    def _store(self, size: tuple[int, int]) -> _Store:
        if size not in self._stores:
            share = self._config.size_shares[self._config.size_list.index(size)]
            capacity = max(1, int(self._config.store_parts * share))
            shape = (capacity, FRAMES)
            self._stores[size] = _Store(
                torch.empty((*shape, 3, *size), dtype=torch.uint8, device=self._device),
                torch.empty((*shape, *size), dtype=torch.float16, device=self._device),
                torch.empty(shape, device=self._device),
            )
        return self._stores[size]

    def _draw(self, number: int) -> Batch:
        config = self._config
        rng = np.random.default_rng((config.seed, _DRAW, self._rank, number))
        size, times = draw_batch(config, number)
        store = self._stores[size]
        chosen = torch.from_numpy(rng.integers(store.frames, size=self._share)).to(self._device)
        rgb = store.rgb.flatten(0, 1)[chosen]
        depth = store.depth.flatten(0, 1)[chosen]
        if config.flip:
            flip = scalar(torch.from_numpy(rng.random(self._share) < 0.5).to(self._device))
            rgb = torch.where(flip, rgb.flip(-1), rgb)
            depth = torch.where(flip[:, 0], depth.flip(-1), depth)
        generator = self._generator(_DRAW, number)
        rgb = photometric_batch(rng, rgb, config.photometric, generator)
        code = self._codes[depth.view(torch.int16).long() & (_HALVES - 1)][:, None]
        first = self._rank * self._share
        t = torch.tensor(times[first : first + self._share], dtype=torch.float32)
        normal = look_up(self._normal[None].expand(self._share, -1, -1).contiguous(), rgb)
        return Batch(
            rgb=normal.contiguous(memory_format=torch.channels_last),
            code=code,
            labelled=torch.ones_like(code, dtype=torch.bool),
            noise=torch.randn(code.shape, generator=generator, device=self._device),
            t=t.to(self._device, non_blocking=True),
            tan_half_vfov=store.tan_half_vfov.flatten()[chosen],
        )

    def _generator(self, stream: int, number: int) -> torch.Generator:
        key = (self._config.seed, stream, self._rank, number, 1)  # differs from that in `_draw`
        seed = int(np.random.default_rng(key).integers(1 << 62))
        return torch.Generator(self._device).manual_seed(seed)
