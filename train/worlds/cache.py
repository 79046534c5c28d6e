# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pre-render frames into shards on disk, and read them back.

    python -m train.worlds.cache --out DIR --frames 20000 --seed 0 --size 192x256 --workers 2

A shard is a folder `shard-00000/` with rgb.npy uint8 [N, H, W, 3], depth.npy float16 [N, H, W]
(metres, +inf = sky) and camera.npy float64 [N, 4] (fx, fy, cx, cy). It is written under a
temporary name and renamed when complete, so that a killed run resumes where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import queue
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
from tqdm import tqdm

from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError
from dmd_ros.core.records import RawSample
from dmd_ros.eval.options import positive
from dmd_ros.eval.output.report import write_json
from train.errors import TrainError, in_one_line
from train.interrupts import end_with_parent, interrupts_held
from train.worlds.generate import KINDS, WorldConfig, Worlds, held_out
from train.worlds.render.assets import Assets

SHARD = 512
REPORT = 16  # frames between two reports of a worker
# Memory of an unfinished shard: colour, depth in float32, and copies of both for writing.
BYTES_PER_PIXEL = 11
# Contents of a folder with settings.json: rendered worlds, and runs trained on them.
_CLAIMED = ('shard-*', 'runs')


def shard_path(root: Path, number: int) -> Path:
    """Return the folder of a shard."""
    return root / f'shard-{number:05d}'


def write_shard(
    root: Path,
    number: int,
    worlds: Worlds,
    report: Callable[[int], None] = lambda frames: None,
) -> Path:
    """Render one shard and move it into place atomically; report(n) is called per n frames."""
    final = shard_path(root, number)
    part = final.with_name(f'.{final.name}-{os.getpid()}')
    samples = []
    for i in range(SHARD):
        samples.append(worlds[number * SHARD + i])
        if (i + 1) % REPORT == 0:
            report(REPORT)
    part.mkdir(parents=True, exist_ok=True)
    np.save(part / 'rgb.npy', np.stack([s.rgb for s in samples]))
    np.save(part / 'depth.npy', np.stack([s.depth.astype(np.float16) for s in samples]))
    np.save(
        part / 'camera.npy',
        np.array([(s.camera.fx, s.camera.fy, s.camera.cx, s.camera.cy) for s in samples]),
    )
    part.rename(final)
    return final


class WorldCache:
    """Frames of a folder of shards by number, memory-mapped."""

    def __init__(self, path: str | Path) -> None:
        """Open the existing shards; raises `TrainError`."""
        self._path = path
        folders = sorted(p for p in Path(path).expanduser().glob('shard-*') if p.is_dir())
        if not folders:
            raise TrainError(
                f'no shards in {path}; write some with python -m train.worlds.cache --out {path}'
            )
        try:
            self._shards = [
                tuple(np.load(f / f'{n}.npy', mmap_mode='r') for n in ('rgb', 'depth', 'camera'))
                for f in folders
            ]
            self._ends = np.cumsum([len(rgb) for rgb, _, _ in self._shards])
        except (OSError, EOFError, TypeError, ValueError) as error:
            raise TrainError(f'cache {path} has a broken shard ({error}); delete it') from None
        if not len(self):
            raise TrainError(f'cache {path} has no frames; delete it and render it again')

    def __len__(self) -> int:
        """Count frames."""
        return int(self._ends[-1])

    def name(self, index: int) -> str:
        """Name a frame by folder and number."""
        return f'{self._path} frame {index}'

    def load(self, index: int) -> RawSample:
        """Read frame `index`."""
        number = int(np.searchsorted(self._ends, index, side='right'))
        rgb, depth, camera = self._shards[number]
        i = index - (int(self._ends[number - 1]) if number else 0)
        height, width = rgb.shape[1:3]
        try:
            fx, fy, cx, cy = (float(v) for v in camera[i])
            return RawSample(
                np.array(rgb[i]),
                np.asarray(depth[i], np.float32),
                Camera(fx, fy, cx, cy, width, height),
            )
        except IndexError:  # depth or cameras are truncated
            raise TrainError('its shard has fewer depth maps or cameras than pictures') from None

    def __reduce__(self) -> tuple[type[WorldCache], tuple[str | Path]]:
        """Pickle the path only, not the contents of the shards."""
        return WorldCache, (self._path,)


def claim_folder(folder: Path, facts: dict[str, Any]) -> None:
    """Make a folder with settings.json, or refuse one that was made with other settings."""
    path = folder / 'settings.json'
    if not path.exists():
        if made := next((p for name in _CLAIMED for p in folder.glob(name)), None):
            raise TrainError(
                f'{made} exists without {path}, so it is from an older version or of unknown '
                'settings; choose another --out, or delete the folder'
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, facts)
        return
    try:
        there = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise TrainError(f'{path} is damaged ({error}); choose another --out') from None
    if there != facts:
        raise TrainError(
            f'{path} has other settings: {json.dumps(there)}, these are '
            f'{json.dumps(facts)}; choose another --out, or delete the folder'
        )


def _facts(seed: int, config: WorldConfig, assets: str) -> dict[str, Any]:
    """Return the settings that all shards of a folder share."""
    return {
        'seed': seed,
        'size': list(config.size or ()),
        'views': config.views,
        'kinds': dict(config.kinds),
        'assets': bool(assets),
    }


def _work(
    root: Path,
    numbers: list[int],
    seed: int,
    config: WorldConfig,
    assets: str,
    report: Callable[[int], None],
) -> None:
    end_with_parent()
    numba.set_num_threads(1)
    worlds = Worlds(seed, config, Assets.load(assets))
    for number in numbers:
        write_shard(root, number, worlds, report)


def parse_size(text: str) -> tuple[int, int]:
    """Read HEIGHTxWIDTH, for argparse."""
    try:
        height, width = (int(side) for side in text.split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not HEIGHTxWIDTH') from None
    if min(height, width) < 1:
        raise argparse.ArgumentTypeError(f'{text!r}: both must be >= 1')
    try:
        Camera.assumed(0.5, width, height)
    except CoreError as error:  # a worker would print a traceback
        raise argparse.ArgumentTypeError(f'{text!r}: {error}') from None
    return height, width


def check_memory(size: tuple[int, int], workers: int) -> None:
    """Refuse a size of frames whose shards would exceed the memory of this machine."""
    there = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    each = BYTES_PER_PIXEL * SHARD * size[0] * size[1]
    if each * workers > there:
        raise TrainError(
            f'--size {size[0]}x{size[1]}: a worker keeps {SHARD} frames in memory, '
            f'{each / 1e9:.1f} GB; --workers {workers} can use {there / 1e9:.1f} GB; choose '
            'a smaller size, or fewer --workers'
        )


def _kinds(text: str) -> dict[str, float]:
    pairs = (item.partition('=') for item in text.split(','))
    try:
        return {kind: float(weight) for kind, _, weight in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not KIND=WEIGHT,...') from None


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m train.worlds.cache',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the shards')
    rounded = f'number of frames, rounded up to shards of {SHARD}'
    parser.add_argument('--frames', type=positive, required=True, help=rounded)
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the worlds (default: %(default)s)'
    )
    parser.add_argument('--held-out', action='store_true', help='evaluation frames of this seed')
    parser.add_argument(
        '--size', type=parse_size, default=(192, 256), metavar='HEIGHTxWIDTH',
        help='size of the frames (default: 192x256)',
    )  # fmt: skip
    parser.add_argument('--assets', default='', help='folder with photographic materials')
    parser.add_argument(
        '--kinds', type=_kinds, default=dict(KINDS), metavar='KIND=WEIGHT,...',
        help=f'default: {",".join(f"{kind}={weight:g}" for kind, weight in KINDS.items())}',
    )  # fmt: skip
    parser.add_argument(
        '--workers', type=positive, default=multiprocessing.cpu_count(),
        help='processes (default: one per core)',
    )  # fmt: skip
    return parser.parse_args(arguments)


def write_cache(
    root: Path,
    frames: int,
    seed: int,
    config: WorldConfig,
    assets: str,
    workers: int,
) -> None:
    """Render the missing shards in several single-threaded processes.

    frames: total of all shards, rounded up to whole ones.
    """
    for stale in root.glob('.shard-*'):  # left by a killed process
        shutil.rmtree(stale)
    shards = -(-frames // SHARD)
    todo = [n for n in range(shards) if not shard_path(root, n).exists()]
    if not todo:
        return
    context = multiprocessing.get_context('spawn')
    done = context.Queue()
    jobs = [
        context.Process(
            target=_work,
            args=(root, todo[w::workers], seed, config, assets, done.put),
            daemon=True,  # Ctrl-C ends it with this process
        )
        for w in range(workers)
    ]
    with interrupts_held():
        for job in jobs:
            job.start()
    with tqdm(total=shards * SHARD, initial=(shards - len(todo)) * SHARD, unit='frame') as bar:
        while any(job.is_alive() for job in jobs) or not done.empty():
            with contextlib.suppress(queue.Empty):
                bar.update(done.get(timeout=1.0))
    for job in jobs:
        job.join()
    if any(job.exitcode for job in jobs):
        raise TrainError('a worker failed, see above; run the command again to resume')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    args = _parse(arguments)
    return in_one_line(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    check_memory(args.size, args.workers)
    config = WorldConfig(size=args.size, kinds=args.kinds)
    beyond = held_out(args.seed)  # also refuses seeds that are not training seeds
    seed = beyond if args.held_out else args.seed
    Worlds(seed, config)  # refuses unknown kinds
    Assets.load(args.assets)  # fails here, before --out is claimed for them
    claim_folder(args.out, _facts(seed, config, args.assets))
    write_cache(args.out, args.frames, seed, config, args.assets, args.workers)


if __name__ == '__main__':
    sys.exit(main())
