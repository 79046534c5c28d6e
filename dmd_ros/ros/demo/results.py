# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results of the demo: figures, a contact sheet, a picture of a cloud, and a summary."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera, Rectifier
from dmd_ros.core.camera_info import camera_from_info, info_size
from dmd_ros.core.contract import Contract
from dmd_ros.core.image_msg import depth_from_image
from dmd_ros.eval import baselines, metrics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.reader import BagFrame, BagReader
from dmd_ros.eval.judge import Limits
from dmd_ros.eval.metrics import Score
from dmd_ros.eval.output import canvas, cloud_view, report, sheet
from dmd_ros.eval.registration import on_grid_of
from dmd_ros.fov import FixedFov
from dmd_ros.ros.demo import recorder
from dmd_ros.ros.demo.performance import Observed
from dmd_ros.ros.demo.source import Source

_ROWS = 6
_SUMMARY = 1000  # pixels across
# A placeholder: it is replaced by the recorded camera of the node.
_NO_CAMERA = FixedFov(90.0)
_WHOLE = Limits(0.0, math.inf)


@dataclass
class Judged:
    """Recorded depth against the bag's ground truth, and the frames selected for display.

    scores, constants: of the estimates, and of the best constant per frame; empty without truth.
    warnings: about the bag, and about how its depth was interpreted.
    """

    scores: list[Score] = field(default_factory=list)
    constants: list[Score] = field(default_factory=list)
    rows: list[sheet.Row] = field(default_factory=list)
    cloud: NDArray[np.uint8] | None = None
    warnings: list[str] = field(default_factory=list)


def reader_of(bag: Bag, source: Source) -> BagReader:
    """Open the bag's images and ground truth; raises `EvalError` if they are unusable."""
    return BagReader(
        bag,
        source.topics,
        rectified=source.rectified,
        camera_source=None if source.topics.camera_info else _NO_CAMERA,
        limit=source.images,
    )


def judge(source: Source, contract: Contract, out: Path, limits: Limits = _WHOLE) -> Judged:
    """Compare the recorded depth with the bag's ground truth.

    limits: depth range of the node; ground truth outside it is ignored. If the node did not use
    camera_info, its depth belongs to the original picture, distorted or not, with the camera that
    it assumed.
    """
    judged = Judged()
    with Bag(source.path) as bag, Bag(out / 'recorded') as recorded:
        reader = reader_of(bag, source)
        cameras = None if source.topics.camera_info else _recorded_cameras(recorded)
        count = recorded.topics[recorder.DEPTH].count
        chosen = sheet.places(count, _ROWS)
        for number, (frame, depth) in enumerate(_together(reader, recorded, cameras)):
            row = _judge_frame(frame, depth, contract, limits, judged)
            if number in chosen:
                if frame.truth_m is None:
                    row = replace(row, rgb=_rectified(frame))  # like its depth
                judged.rows.append(row)
            if number == count // 2:
                judged.cloud = _render_cloud(frame, depth)
        judged.warnings += bag.warnings
    return judged


def figures(observed: Observed, judged: Judged, settings: dict[str, Any]) -> dict[str, Any]:
    """Collect the contents of demo.json: the node's own counts and the outside observations."""
    said = observed.diagnostics
    score = metrics.mean_score(judged.scores)
    return {
        'settings': settings,
        'images_sent': len(observed.sent),
        'images_received_by_node': int(said.get('images', 0)),
        'processed': int(said.get('processed', 0)),
        'depth_received': len(observed.depth),
        'clouds_received': len(observed.points),
        'dropped': observed.drops,
        'latency_ms': {
            'image sent to depth received': _latency(observed.sent, observed.depth),
            'image sent to cloud received': _latency(observed.sent, observed.points),
        },
        'score': score if score.frames else None,
        'best_const_abs_rel': metrics.mean_score(judged.constants).abs_rel,
        'recorded_messages': observed.recorded,
        'node_exit_status': observed.node_status,
    }


def table(found: dict[str, Any]) -> str:
    """Format the figures as Markdown."""
    latency = found['latency_ms']
    rows: list[list[object]] = [
        ['images sent', found['images_sent']],
        ['images received by the node', found['images_received_by_node']],
        ['processed', found['processed']],
        *([f'dropped: {reason}', n] for reason, n in found['dropped'].items()),
        ['dropped', sum(found['dropped'].values())],
        ['depth images received', found['depth_received']],
        ['clouds received', found['clouds_received']],
    ]
    for name, values in latency.items():
        rows.append([f'{name}, p50 ms', f'{values["p50"]:.1f}'])
        rows.append([f'{name}, p95 ms', f'{values["p95"]:.1f}'])
    if found['score'] is not None:
        rows += [
            ['frames with ground truth', found['score'].frames],
            ['AbsRel', found['score'].abs_rel],
            ['delta1', found['score'].delta1],
            ['AbsRel of the best constant per frame', found['best_const_abs_rel']],
        ]
    return report.markdown_table(('demo', 'value'), rows)


def write(out: Path, found: dict[str, Any], judged: Judged, title: str) -> None:
    """Write demo.json, demo.md, sheet.png, cloud.png and summary.jpg."""
    report.write_json(out / 'demo.json', found)
    (out / 'demo.md').write_text(f'# {title}\n\n{table(found)}', encoding='utf-8')
    maps = [row.depth_m for row in judged.rows]
    maps += [row.truth_m for row in judged.rows if row.truth_m is not None]
    subtitle = f'{found["processed"]} of {found["images_sent"]} images, live over DDS'
    scales = {'camera': sheet.nice_scale(maps)}
    picture = sheet.draw_sheet(judged.rows, scales, title, subtitle)
    sheet.write_picture(out / 'sheet.png', picture)
    if judged.cloud is not None:
        sheet.write_picture(out / 'cloud.png', judged.cloud)
        short = sheet.draw_sheet(judged.rows[::2], scales, title, subtitle)
        summary = np.vstack([canvas.scaled(p, _SUMMARY) for p in (short, judged.cloud)])
        sheet.write_picture(out / 'summary.jpg', summary)


def _recorded_cameras(recorded: Bag) -> dict[int, Camera]:
    """Return the cameras of the recorded depth, by stamp."""
    cameras = {}
    for message in recorded.raw([recorder.INFO]):
        info = recorded.decode(message)
        cameras[recorded.stamp_ns(message)] = camera_from_info(info, *info_size(info), True)
    return cameras


def _together(
    reader: BagReader, recorded: Bag, cameras: Mapping[int, Camera] | None
) -> Iterator[tuple[BagFrame, NDArray[np.float32]]]:
    """Pair frames of the source with recorded depth by stamp; both are in order of sending.

    cameras: replace those of the frames; a frame without one is left out.
    """
    depths = recorded.raw([recorder.DEPTH])
    depth = next(depths, None)
    for frame in reader:
        if depth is None:
            return
        if recorded.stamp_ns(depth) != frame.stamp_ns:
            continue
        found = frame.camera if cameras is None else cameras.get(frame.stamp_ns)
        if found is not None:
            yield replace(frame, camera=found), depth_from_image(recorded.decode(depth))
        depth = next(depths, None)


def _judge_frame(
    frame: BagFrame,
    depth_m: NDArray[np.float32],
    contract: Contract,
    limits: Limits,
    judged: Judged,
) -> sheet.Row:
    caption = f'{frame.stamp_ns / 1e9:.3f} s'
    if frame.truth_m is None:
        return sheet.Row('camera', caption, '', frame.rgb, depth_m)
    truth = frame.truth_m
    on_truth = on_grid_of(depth_m, truth, frame.camera)
    low, high = max(metrics.MIN_M, limits.min_m), min(metrics.MAX_M, limits.max_m)
    near, far = max(contract.depth_min_m, limits.min_m), min(contract.depth_max_m, limits.max_m)
    score = metrics.score(metrics.settle(on_truth, near, far), truth, low, high)
    constant = baselines.best_const(truth, low, high)
    judged.scores.append(score)
    judged.constants.append(metrics.score(np.full_like(truth, constant), truth, low, high))
    text = f'AbsRel {score.abs_rel:.3f}   d1 {score.delta1:.2f}   RMSE {score.rmse:.2f} m'
    return sheet.Row('camera', caption, text, frame.rgb, on_truth, truth)


def _render_cloud(frame: BagFrame, depth_m: NDArray[np.float32]) -> NDArray[np.uint8]:
    return cloud_view.render(depth_m, _rectified(frame), frame.camera.rectified())


def _rectified(frame: BagFrame) -> NDArray[np.uint8]:
    return Rectifier(frame.camera)(frame.rgb) if frame.camera.is_distorted else frame.rgb


def _latency(sent: dict[int, int], received: dict[int, int]) -> dict[str, float]:
    both = (received[stamp] - at for stamp, at in sent.items() if stamp in received)
    return report.percentiles(nanoseconds * 1e-6 for nanoseconds in both)
