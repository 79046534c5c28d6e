# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The real node, timed from outside: latency, startup, memory, and a camera that is too fast."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dmd_ros.eval.output.report import percentiles
from dmd_ros.ros.bench.driver import LOST
from dmd_ros.ros.bench.machine import resident_mb
from dmd_ros.ros.processes import Event, Family

# Short, so that little time is spent waiting for counters.
DIAGNOSTICS_PERIOD = 0.25
VGA, HD = (640, 480), (1920, 1080)
_BURST = (200, 200.0)  # images, Hz
FLOOD_HZ = 100.0  # far more than the node can do


@dataclass(frozen=True)
class Start:
    """seconds from process start to the first depth; megabytes: resident memory after it."""

    seconds: float
    megabytes: float


class LiveNode:
    """The node process and a driver process, in a `with` statement of their family.

    size: width and height of the pictures. start: time and memory up to the first depth.
    """

    def __init__(self, family: Family, model: Path, size: tuple[int, int] = VGA) -> None:
        """Start the driver, then the node, and wait for the first depth."""
        self._family = family
        self._size = {'width': size[0], 'height': size[1]}
        self._driver = family.start('driver', 'dmd_ros.ros.bench.driver')
        family.wait_for('driver', 'ready')
        self._driver.tell(json.dumps({'first': True, **self._size}))
        started = time.monotonic_ns()
        self._node = family.start_node(
            {
                'model': str(model),
                'backend': 'onnxruntime',
                'device': 'cpu',
                'diagnostics_period': DIAGNOSTICS_PERIOD,
            }
        )
        first = family.wait_for('driver', 'first', 60.0)['at']
        self.start = Start((first - started) * 1e-9, self.resident_mb())

    def resident_mb(self) -> float:
        """Return the current resident memory of the node, MB."""
        return resident_mb(self._node.process.pid)

    def drive(self, frames: int, rate: float, what: str) -> Event:
        """Send frames (rate in Hz, 0: each after the cloud of the previous one)."""
        self._driver.tell(json.dumps({'frames': frames, 'rate': rate, **self._size}))
        with tqdm(total=frames, desc=what, unit='image') as bar:
            for _, event in self._family.events(60.0):
                if event['event'] == 'progress':
                    bar.update(event['frames'] - bar.n)
                if event['event'] == 'run':
                    bar.update(frames - bar.n)
                    return event
        raise self._driver.trouble('stopped reporting')


def latency(event: Event) -> dict[str, float]:
    """Return medians in ms: image sent to depth and cloud received; the node's stages; the rest.

    'everything but the denoiser' is the time to the cloud (the last output) without the denoiser.
    """
    said = event['after']
    found = {
        f'image sent to {name} received': percentiles(values)['p50']
        for name, values in event['latency_ms'].items()
    }
    stages = {
        key.removeprefix('stage ').removesuffix(' (ms)'): float(value)
        for key, value in said.items()
        if key.startswith('stage ')
    }
    to_cloud = found['image sent to cloud received']
    found['everything but the denoiser'] = to_cloud - stages.get('denoise', 0.0)
    return {**found, **{f'in the node: {name}': ms for name, ms in stages.items()}}


def growth(live: LiveNode, frames: int) -> dict[str, float]:
    """Return memory before and after `frames` frames, MB, after a warm-up of a tenth and a burst.

    Without the burst, the queues would first fill whenever the listener happens to be late.
    """
    live.drive(max(frames // 10, 20), 0, 'memory, warming up')
    live.drive(*_BURST, 'memory, a burst')
    before = live.resident_mb()
    event = live.drive(frames, 0, 'memory')
    after = live.resident_mb()
    return {
        'frames': event['sent'],
        'frames a second': event['sent'] / event['seconds'],
        'before': before,
        'after': after,
        'growth': after - before,
    }


def flood(live: LiveNode, seconds: float) -> dict[str, Any]:
    """Send images at `FLOOD_HZ`; all of them must be accounted for."""
    event = live.drive(round(seconds * FLOOD_HZ), FLOOD_HZ, f'{FLOOD_HZ:g} Hz')
    change = _changes(event['before'], event['after'])
    drops = {k: v for k, v in change.items() if k.startswith('dropped: ') and v}
    latencies = event['latency_ms']['depth']
    half = len(latencies) // 2
    in_node = sum(v for k, v in drops.items() if k != LOST)
    return {
        'rate sent': event['sent'] / event['seconds'],
        'images sent': event['sent'],
        'images received by the node': change['images'],
        'processed': change['processed'],
        **drops,
        'received but not accounted for': change['images'] - change['processed'] - in_node,
        'sent but neither received nor counted as lost': event['sent']
        - change['images']
        - drops.get(LOST, 0),
        'latency p50 ms, first half': percentiles(latencies[:half])['p50'],
        'latency p50 ms, second half': percentiles(latencies[half:])['p50'],
        'latency p95 ms': percentiles(latencies)['p95'],
        'latency max ms': percentiles(latencies)['max'],
    }


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, int]:
    return {
        key: int(value) - int(before.get(key, 0))
        for key, value in after.items()
        if value.isdigit()
    }
