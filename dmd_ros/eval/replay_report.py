# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of a replay: the contact sheet, the picture of a cloud, and the printed tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera, Rectifier
from dmd_ros.eval.estimates import Estimate
from dmd_ros.eval.judge import Summary
from dmd_ros.eval.output import cloud_view, ply, report, sheet
from dmd_ros.eval.replay_session import Kept, ReplaySession

OUTPUTS = ('results.json', 'sheet.png', 'cloud.png', 'cloud.ply')


def draw(out: Path, results: Mapping[str, Any], session: ReplaySession) -> None:
    """Write the contact sheet, and the cloud of the middle frame as a picture and as points."""
    kept = session.kept
    # The colour scale fits the truth, if any: a bad estimate must not stretch it.
    truths = [k.truth_m for k in kept if k.truth_m is not None]
    scale = sheet.nice_scale(truths or [k.estimate.depth for k in kept])
    section = results['topics'].image
    picture = sheet.draw_sheet(
        [row(section, k) for k in kept],
        {section: scale},
        f'{report.name_of(results["settings"])} on {results["bag"]}',
        _subtitle(results),
    )
    sheet.write_picture(out / 'sheet.png', picture)
    middle = kept[len(kept) // 2].estimate
    cloud = cloud_view.render(*_rectified(middle))
    sheet.write_picture(out / 'cloud.png', cloud)
    if middle.made is not None and middle.points is not None:
        ply.write_ply(out / 'cloud.ply', ply.points_of(middle.made))


def _rectified(
    estimate: Estimate,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], Camera]:
    """Return depth, picture and camera without distortion, which the cloud view needs."""
    if not estimate.camera.is_distorted:
        return estimate.depth, estimate.rgb, estimate.camera
    rectifier = Rectifier(estimate.camera)
    return rectifier.nearest(estimate.depth), rectifier(estimate.rgb), rectifier.camera


def row(section: str, kept: Kept) -> sheet.Row:
    """Return the row of one frame in the sheet."""
    result, estimate = kept.result, kept.estimate
    caption = f'image {result.index}, {result.stamp_ns / 1e9:.3f} s'
    if result.verdict is None or kept.on_truth_m is None:
        figures = f'median {result.median_m:.2f} m'
        return sheet.Row(section, caption, figures, estimate.rgb, estimate.depth)
    verdict = result.verdict
    figures = (
        f'AbsRel {verdict.score.abs_rel:.3f}   d1 {verdict.score.delta1:.2f}   '
        f'RMSE {verdict.score.rmse:.2f} m   scale g/p {verdict.median_scale:.2f}   '
        f'best_const {verdict.best_const.abs_rel:.3f}'
    )
    return sheet.Row(section, caption, figures, kept.rgb, kept.on_truth_m, kept.truth_m)


def tell(out: Path, results: Mapping[str, Any]) -> None:
    """Print totals, latency and warnings."""
    print(_table(results))
    if results['latency_ms']:
        print(report.latency_table(results['latency_ms']))
    if truth := results['settings']['ground_truth']:
        print(f'ground truth: {truth}')
    if mount := results['settings'].get('mount'):
        print(
            f'floor: camera_height:={mount.height_m:.3f} camera_pitch_deg:={mount.pitch_deg:.2f} '
            f'camera_roll_deg:={mount.roll_deg:.2f}'
        )
    skipped = [f'{n} image(s) skipped: {why}' for why, n in results['images_skipped'].items()]
    for warning in (*results['warnings'], *skipped):
        print(f'warning: {warning}', file=sys.stderr)
    written = [name for name in OUTPUTS if (out / name).exists()]
    if 'model' in results['settings']:
        written.insert(0, 'depth (mcap)')
    print(f'written: {out}/{", ".join(written)}')


def _table(results: Mapping[str, Any]) -> str:
    """Return the totals as a Markdown table."""
    rows: list[list[object]] = [
        ['images in the bag', results['images_in_bag']],
        ['evaluated', results['images_evaluated']],
        ['skipped', sum(results['images_skipped'].values())],
        ['flicker, median relative change', results['flicker']['predicted_median']],
    ]
    if floor := results['floor']:
        rows += floor.rows('images')
    total: Summary | None = results['total']
    rows.append(['frames with ground truth', total.frames if total else 0])
    if total is not None:
        rows += [
            ['flicker of the ground truth', results['flicker']['truth_median']],
            ['AbsRel', total.score.abs_rel],
            ['AbsRel after median scaling', total.scaled.abs_rel],
            ['AbsRel of the best constant per frame', total.best_const.abs_rel],
            ['delta1', total.score.delta1],
            ['RMSE m', total.score.rmse],
            ['log10', total.score.log10],
            ['SILog', total.score.silog],
            ['scale, median truth / median estimate', total.median_scale],
            ['coverage', total.score.coverage],
            *([f'AbsRel {name}', s.abs_rel] for name, s in total.buckets.items()),
        ]
    return report.markdown_table(('total', 'value'), rows)


def _subtitle(results: Mapping[str, Any]) -> str:
    settings, total = results['settings'], results['total']
    parts = [f'{results["images_evaluated"]} frame(s)']
    if 'model' in settings:
        parts[0] += f', {settings["steps"]} step(s), {settings["samples"]} sample(s)'
    if total is not None:
        parts.append(f'AbsRel {total.score.abs_rel:.3f}, d1 {total.score.delta1:.3f}')
    if results['flicker']['pairs']:
        parts.append(f'flicker {report.format_cell(results["flicker"]["predicted_median"])}')
    return '; '.join(parts)
