# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the renderer on an NVIDIA GPU with that on the CPU, and time it.

    python -m train.worlds.bench_gpu --assets DIR --out out/worlds_gpu

Writes worlds.json, and frames.png with frames of both side by side.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from dmd_ros.eval.output.report import write_json
from train.errors import in_one_line
from train.worlds.batch import picture_and_depth, renderer
from train.worlds.generate import KINDS
from train.worlds.parts import FRAMES, Part, WorldParts

SIZES = ((192, 256), (160, 288), (128, 416))
# Frames of each kind to compare with the CPU's.
_COMPARED = 2
_SECONDS = 3.0


def main(arguments: list[str] | None = None) -> int:
    """Compare, time, write; 1 after an error, 2 without a GPU."""
    parser = argparse.ArgumentParser(
        prog='python -m train.worlds.bench_gpu',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--assets', default='', help='folder of photographic materials')
    parser.add_argument(
        '--out', type=Path, default=Path('out/worlds_gpu'), help='default: %(default)s'
    )
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print('bench_gpu needs an NVIDIA GPU with a driver, and torch built for CUDA')
        return 2
    return in_one_line(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    """Compare and time; write worlds.json and frames.png to --out."""
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device('cuda', 0)
    started = time.perf_counter()
    gpu, cpu = (renderer(options.assets, d) for d in (device, torch.device('cpu')))
    parts = {kind: _part(kind, SIZES[0], options.assets) for kind in KINDS}
    facts: dict[str, Any] = {'device': torch.cuda.get_device_name(0)}
    facts['difference'], pictures = _compare(gpu, cpu, parts)
    facts['seconds_until_compared'] = time.perf_counter() - started
    cv2.imwrite(str(options.out / 'frames.png'), pictures)
    for size in SIZES:
        mixed = WorldParts(1, (size,), (1.0,), None, options.assets)
        begun = time.perf_counter()
        some = [mixed[n] for n in tqdm(range(2), desc=f'{size[0]}x{size[1]}', unit='part')]
        built = (time.perf_counter() - begun) / len(some)
        facts[f'{size[0]}x{size[1]}'] = {
            'rendered_and_exposed_frames_per_s': _rate(gpu, some, device),
            'scenes_built_frames_per_s_per_core': FRAMES / built,
        }
    write_json(options.out / 'worlds.json', facts)
    print((options.out / 'worlds.json').read_text())


def _part(kind: str, size: tuple[int, int], assets: str) -> Part:
    return WorldParts(5, (size,), (1.0,), {kind: 1.0}, assets)[0]


def _compare(gpu: Any, cpu: Any, parts: dict[str, Part]) -> tuple[dict[str, Any], np.ndarray]:
    """Return differences per kind of world and a picture of the frames.

    depth_pixels_apart: share of pixels whose depth differs by more than 0.1 %.
    """
    differences, rows = {}, []
    for kind, part in parts.items():
        few = _first(part, _COMPARED)
        (c_gpu, d_gpu), (c_cpu, d_cpu) = ([t.cpu().numpy() for t in r(few)] for r in (gpu, cpu))
        same = np.isclose(d_gpu, d_cpu, rtol=1e-3)
        colour = np.abs(np.clip(c_gpu, 0, 2) - np.clip(c_cpu, 0, 2)).mean()
        differences[kind] = {
            'depth_pixels_apart': float(1.0 - same.mean()),
            'colour_mean_difference': float(colour),
        }
        frames = [*c_gpu, *c_cpu]
        tones = [np.clip(f / (f.mean() * 3.0), 0, 1) ** (1 / 2.2) for f in frames]
        rows.append(np.concatenate(tones, axis=1)[..., ::-1] * 255.0)
    return differences, np.concatenate(rows).astype(np.uint8)


def _first(part: Part, count: int) -> Part:
    packed = {**part.packed, 'env': part.packed['env'][:count]}
    packed['spans'] = part.packed['spans'][:count]
    return replace(
        part,
        packed=packed,
        tan_half_vfov=part.tan_half_vfov[:count],
        sensors=part.sensors[:count],
    )


def _rate(gpu: Any, parts: list[Part], device: torch.device) -> float:
    generator = torch.Generator(device).manual_seed(0)
    picture_and_depth(gpu, parts[0], generator)
    torch.cuda.synchronize()
    started, frames = time.perf_counter(), 0
    while time.perf_counter() - started < _SECONDS:
        for part in parts:
            picture_and_depth(gpu, part, generator)
            frames += FRAMES
        torch.cuda.synchronize()
    return frames / (time.perf_counter() - started)


if __name__ == '__main__':
    sys.exit(main())
