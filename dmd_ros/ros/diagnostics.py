# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The counters as a diagnostic_msgs/DiagnosticArray, and the problems that they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from dmd_ros.ros.stats import Summary

# Seconds during which a silent or unpaired topic is attributed to slow discovery.
PATIENCE = 5.0
# Seconds after which a killed node has left the graph: Fast DDS takes 20.
_FORGOTTEN = 30.0
# Suffix of our status names: other nodes share the topic.
_OURS = ': depth'


def problems(
    summary: Summary,
    image_topic: str,
    info_topic: str | None = None,
    *,
    info_max_age: float | None = None,
    why_silent: Callable[[str], str] | None = None,
    shared: Sequence[str] = (),
    mount: str = '',
) -> dict[str, str]:
    """Return the problems for a user to look into, by kind, most important first.

    info_topic: None if camera_info is not used. info_max_age: seconds, for pairing with the latest
    camera_info, 0 = any; None if stamps must be equal. why_silent: explains a topic on which
    nothing has arrived. shared: topics of the node on which another node also publishes. mount:
    why the camera is unlikely to be mounted as the parameters say.
    """
    found = {}
    received = {image_topic: summary.images}
    counts = f'{summary.images} images on {image_topic}'
    if info_topic is not None:
        received[info_topic] = summary.infos
        counts += f', {summary.infos} on {info_topic}'
    if summary.since_pair > PATIENCE:
        silent = [topic for topic, count in received.items() if not count]
        if silent:
            since = f'for {summary.since_start:.0f} s ({counts})'
            reasons = map(why_silent, silent) if why_silent else ()
            found['silent'] = '; '.join(
                (f'nothing received on {" and ".join(silent)} {since}', *reasons)
            )
        elif summary.since_image > PATIENCE:
            found['stopped'] = f'no image for {summary.since_image:.0f} s ({counts})'
        elif summary.mismatched:
            found['failed'] = summary.last_error  # the stamps agree and the frames do not
        else:
            found['unpaired'] = (
                f'no image has had a camera_info for {summary.since_pair:.0f} s ({counts}): none '
                + _why_none(info_max_age)
            )
    elif summary.since_start > PATIENCE and summary.unpaired > summary.paired:
        found['unpaired'] = (
            f'{summary.unpaired} of the last {summary.unpaired + summary.paired} images found no '
            f'camera_info ({counts}): {_why_few(info_max_age)}'
        )
    if summary.new_errors:
        found['failed'] = f'{summary.new_errors} frames failed: {summary.last_error}'
    if summary.untrained:
        found['untrained'] = summary.untrained
    if mount:
        found['mount'] = mount
    if summary.since_start > PATIENCE and summary.floor_looked and summary.floor_scale is None:
        found['floor'] = _no_floor(summary.floor_seen, summary.floor_looked)
    if shared and summary.since_start > _FORGOTTEN:
        found['shared'] = (
            f'another node also publishes {" and ".join(shared)}, and their messages mix: remap '
            'one of them, or give a second depth node a namespace'
        )
    return found


def _no_floor(seen: int, looked: int) -> str:
    where = 'the floor where camera_height, camera_pitch_deg and camera_roll_deg say it is'
    if seen:
        return (
            f'the newest image does not show {where} ({seen} of {looked} did), and no scale is '
            'remembered: its depth has the scale of the model'
        )
    return (
        f'none of {looked} images shows {where}: depth has the scale of the model; check these, '
        'or set camera_height to 0'
    )


def _why_none(info_max_age: float | None) -> str:
    if info_max_age is None:
        return (
            'with its stamp arrived in time; set info_pairing to latest if the camera_info is '
            'latched, slower or stamped differently'
        )
    if not info_max_age:
        return 'arrived in time; is its publisher running?'
    return f'is within info_max_age ({info_max_age:g} s) of it; raise that, or set 0 for any'


def _why_few(info_max_age: float | None) -> str:
    advice = 'it is late or gets lost; give all processes config/fastdds_large_data.xml'
    if info_max_age is None:
        return f'none with their stamp in time; {advice}, or set info_pairing to latest'
    if not info_max_age:
        return f'none in time; {advice}'
    return f'none within info_max_age ({info_max_age:g} s); {advice}, or raise that'


def status(
    name: str,
    state: str,
    about: Mapping[str, str],
    summary: Summary | None,
    found: Mapping[str, str],
) -> DiagnosticStatus:
    """Build the status.

    state: lifecycle state. about: the running configuration (model, backend, ...). found: see
    `problems`.
    """
    status = DiagnosticStatus(name=name + _OURS, hardware_id=about.get('model', ''))
    status.level, status.message = DiagnosticStatus.OK, state
    if found:
        status.level, status.message = DiagnosticStatus.WARN, '; '.join(found.values())
    if summary is not None and summary.new_errors and not summary.depth_rate:
        status.level = DiagnosticStatus.ERROR
    values = {'state': state, **about, **(_values(summary) if summary else {})}
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status


def failure(name: str, state: str, message: str) -> DiagnosticStatus:
    """Build the status of a node that could not be configured."""
    result = status(name, state, {'last error': message}, None, {'failed': message})
    result.level = DiagnosticStatus.ERROR
    return result


def array(stamp: Any, status: DiagnosticStatus) -> DiagnosticArray:
    """Wrap one status."""
    message = DiagnosticArray(status=[status])
    message.header.stamp = stamp
    return message


def values_of(message: DiagnosticArray) -> dict[str, str]:
    """Return the values of our node's status; empty if the message is from another node."""
    ours = (status for status in message.status if status.name.endswith(_OURS))
    return {pair.key: pair.value for status in ours for pair in status.values}


def _values(summary: Summary) -> dict[str, str]:
    p50, p95, worst = summary.latency
    return {
        'image rate (Hz)': f'{summary.image_rate:.2f}',
        'depth rate (Hz)': f'{summary.depth_rate:.2f}',
        'images': str(summary.images),
        'camera_infos': str(summary.infos),
        'pairs': str(summary.pairs),
        'processed': str(summary.processed),
        'idle (nobody listens)': str(summary.idle),
        'dropped': str(sum(summary.drops.values())),
        **{f'dropped: {reason}': str(n) for reason, n in sorted(summary.drops.items())},
        'latency p50 (ms)': f'{p50 * 1e3:.2f}',
        'latency p95 (ms)': f'{p95 * 1e3:.2f}',
        'latency max (ms)': f'{worst * 1e3:.2f}',
        'image age (ms)': 'unknown' if summary.age is None else f'{summary.age * 1e3:.2f}',
        **{f'stage {name} (ms)': f'{s * 1e3:.2f}' for name, s in summary.stages.items()},
        'vfov (deg)': f'{summary.vfov_deg:.2f}' if summary.vfov_deg else 'unknown',
        'floor': _floor(summary),
        'last error': summary.last_error,
    }


def _floor(summary: Summary) -> str:
    if not summary.floor_used:
        return 'not used'
    scale = 'no scale yet' if summary.floor_scale is None else f'scale {summary.floor_scale:.3f}'
    return f'{scale}, seen in {summary.floor_seen} of {summary.floor_looked} images'
