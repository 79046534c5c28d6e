# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One run of the demo: node, player and recorder as processes that communicate over DDS."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dmd_ros.ros.demo import recorder
from dmd_ros.ros.demo.source import Source
from dmd_ros.ros.processes import Event, Family

# Seconds: TensorRT may have to build an engine first.
_START = 1800.0
# Seconds: compression of large clouds may lag far behind.
_FINISH = 600.0
# Seconds without output after the last image, after which no more is expected.
_QUIET = 5.0
# Diagnostics are sent once a second: two periods contain a message with the final counts.
_LAST_DIAGNOSTICS = 2.5
_DROPPED = 'dropped: '
# Reasons for which the node drops an image that it has not yet paired.
_UNPAIRED = ('frame_id', 'lost in transport', 'out_of_order', 'time jump', 'unpaired')


@dataclass
class Observed:
    """Observations from outside the node; times are monotonic nanoseconds by stamp.

    diagnostics: the node's latest status values. recorded: messages in the bag, by topic.
    """

    sent: dict[int, int] = field(default_factory=dict)
    depth: dict[int, int] = field(default_factory=dict)
    points: dict[int, int] = field(default_factory=dict)
    diagnostics: dict[str, str] = field(default_factory=dict)
    recorded: dict[str, int] = field(default_factory=dict)
    node_status: int = 0

    @property
    def complete(self) -> bool:
        """Whether depth and cloud of the last sent image have arrived."""
        last = next(reversed(self.sent), None)
        return last is not None and last in self.depth and last in self.points

    @property
    def drops(self) -> dict[str, int]:
        """Images dropped by the node, by reason."""
        said = self.diagnostics.items()
        return {k.removeprefix(_DROPPED): int(v) for k, v in said if k.startswith(_DROPPED)}

    @property
    def in_hand(self) -> int:
        """Pairs that the node, by its latest status, has yet to process or drop."""
        dropped = sum(n for reason, n in self.drops.items() if reason not in _UNPAIRED)
        kinds = ('pairs', 'processed', 'idle (nobody listens)')
        pairs, processed, idle = (int(self.diagnostics.get(kind, 0)) for kind in kinds)
        return pairs - processed - idle - dropped

    def note(self, event: Event) -> None:
        """Record an event of the player or the recorder."""
        if event['event'] == 'sent':
            self.sent[event['stamp']] = event['at']
        elif event['event'] == 'diagnostics':
            self.diagnostics.update(event['values'])
        elif event['event'] == 'received':
            times = {recorder.DEPTH: self.depth, recorder.POINTS: self.points}
            if event['topic'] in times:
                times[event['topic']][event['stamp']] = event['at']


def perform(source: Source, settings: Mapping[str, Any], out: Path) -> Observed:
    """Play the source through the node, recording into out/recorded.

    settings: the node's parameters.
    """
    with Family(out / 'logs') as family:
        family.start_node(settings)
        family.start('recorder', 'dmd_ros.ros.demo.recorder', str(out / 'recorded'))
        family.wait_for('recorder', 'ready', _START)
        where = source.topics
        player = family.start(
            'player',
            'dmd_ros.ros.demo.player',
            str(source.path),
            where.image,
            where.camera_info,
            str(source.images),
        )
        family.wait_for('player', 'ready')
        player.tell('play')
        observed = _observe(family, source.images)
        family.children['recorder'].tell('stop')
        observed.recorded = family.wait_for('recorder', 'closed', _FINISH)['counts']
        observed.node_status = family.children['node'].stop()
        return observed


def _observe(family: Family, images: int) -> Observed:
    """Follow the run to its end, with a progress bar."""
    seen = Observed()
    playing = True
    with tqdm(total=images, unit='image', desc='played') as bar:
        # The player reports when it is done (bags have pauses); afterwards, wait for silence.
        while playing:
            for _, event in family.events(1.0):
                seen.note(event)
                bar.set_postfix_str(_counted(seen), refresh=False)
                if event['event'] == 'sent':
                    bar.update()
                if event['event'] == 'done':
                    playing = False
                    break
        heard = time.monotonic()
        for _, event in family.events(_QUIET):
            seen.note(event)
            if event['event'] == 'received':
                heard = time.monotonic()
            # Diagnostics never stop, and one image may take the node longer than _QUIET.
            quiet = time.monotonic() - heard > _QUIET and not seen.in_hand
            if seen.complete or quiet:
                break
        bar.set_postfix_str(_counted(seen))
    awaited = 2
    for _, event in family.events(_LAST_DIAGNOSTICS):
        seen.note(event)
        if event['event'] == 'diagnostics':
            awaited -= 1
        if not awaited:
            break
    return seen


def _counted(seen: Observed) -> str:
    return f'{len(seen.depth)} depth images, {len(seen.points)} clouds'
