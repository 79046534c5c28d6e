# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of photographs: python -m dmd_ros.eval.pictures PICTURE... [--out DIR].

Writes to --out, for each picture: NAME.npy (float32 [H, W], metres along Z; NaN: no estimate, inf:
beyond the model's range, -inf: too close), NAME_depth.png (16 bit, millimetres; 0: none, or beyond
65.535 m), NAME_color.png (picture and depth, in colours that mean the same metres in every
picture) and NAME.ply (the cloud, without flying pixels); and pictures.json, which has the source
of each field of view. If a picture cannot be read, it is listed there, the others are processed,
and the exit status is 2. Ctrl-C stops after the current picture and keeps the results so far.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dmd_ros.eval import options, picture_camera, picture_file
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output import report
from dmd_ros.eval.paths import real
from dmd_ros.eval.picture_session import (
    CLOUD,
    COLOR,
    DEPTH,
    MILLIMETRES,
    MOST_POINTS,
    PictureSession,
)

_SUMMARY, _ENDINGS = 'pictures.json', (DEPTH, MILLIMETRES, COLOR, CLOUD)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = _parser().parse_args(argv)
    scale_m = options.color_scale_from(args)
    out: Path = args.out
    paths, others = picture_file.find_pictures(args.pictures)
    names = picture_file.names_of(paths)
    cameras = picture_camera.PictureCameras(args)
    old_outputs = _left_over(out, names, paths, args.overwrite)
    estimator = options.estimator_from(args)
    settings = {
        **options.settings_of(args, estimator),
        'rectified': args.rectified,
        'fov_model': args.fov_model,
        'color_scale_m': scale_m,
    }
    session = PictureSession(
        estimator, cameras, out, scale_m, not args.no_points, args.cloud_stride
    )
    # Only now that all inputs are known to be good: a typo must not delete an earlier result.
    options.remove(old_outputs)
    out.mkdir(parents=True, exist_ok=True)
    with options.ctrl_c_between_steps() as stopped:
        _run(session, paths, names, args.quiet, stopped)
        cameras.close()
        estimator.close()
        results = _results(session, settings, len(paths), others)
        report.write_json(out / _SUMMARY, results)
        _tell(out, results)
    if stopped():
        raise KeyboardInterrupt  # so that the exit status tells that the results are incomplete
    if session.left_out:  # the exit status must tell scripts that pictures are missing
        raise EvalError(
            f'{len(session.left_out)} of {len(paths)} picture(s) left out (see the warnings)'
        )


def _run(
    session: PictureSession,
    paths: Sequence[Path],
    names: Sequence[str],
    quiet: bool,
    stopped: Callable[[], bool],
) -> None:
    """Process every picture; stopped: returns whether to stop after the current one."""
    pairs = list(zip(paths, names, strict=True))
    for path, name in tqdm(pairs, unit='picture', disable=quiet):
        session.step(path, name)
        if stopped():
            break


def _results(
    session: PictureSession, settings: dict[str, Any], found: int, others: int
) -> dict[str, Any]:
    """Collect the content of pictures.json, which is the same in every run."""
    warnings = session.troubles()
    seen = len(session.results) + len(session.left_out)
    if seen < found:
        warnings.append(f'interrupted after {seen} of {found} pictures')
    if others:
        warnings.append(f'{others} other file(s) in the folders: not pictures, by their names')
    return {
        'settings': settings,
        'pictures_found': found,
        'pictures_left_out': session.left_out,
        'other_files': others,
        'pictures': session.results,
        'warnings': warnings,
    }


def _tell(out: Path, results: dict[str, Any]) -> None:
    """Print a line for each picture, and the warnings."""
    header = ('picture', 'field of view from', 'vfov', 'median m', 'min m', 'max m', 'coverage')
    rows = [
        [r.name, r.fov_why, f'{r.vfov_deg:.1f}', r.median_m, r.min_m, r.max_m, r.coverage]
        for r in results['pictures']
    ]
    if rows:
        print(report.markdown_table(header, rows))
    for warning in results['warnings']:
        print(f'warning: {report.as_text(warning)}', file=sys.stderr)
    each = ', '.join(f'NAME{ending}' for ending in _ENDINGS)
    print(f'written: {report.as_text(str(out))}/{_SUMMARY}, and of each picture {each}')


def _left_over(
    out: Path, names: Sequence[str], paths: Sequence[Path], overwrite: bool
) -> list[Path]:
    """List the outputs of an earlier run; raises `EvalError` if they must not be removed."""
    # For a link, both its own folder and that of its target.
    folders = {f for path in paths for f in (real(path.parent), real(path).parent)}
    if real(out) in folders:
        raise EvalError(
            f'--out {out} is a folder of the pictures; the next run would read the results as '
            'pictures, so choose another'
        )
    wanted = [_SUMMARY, *(name + ending for name in names for ending in _ENDINGS)]
    return options.left_over(out, wanted, overwrite)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m dmd_ros.eval.pictures', description=__doc__)
    add = parser.add_argument
    add('pictures', type=Path, nargs='+', metavar='PICTURE', help='picture or folder of pictures')
    add('--out', type=Path, default=Path('out/pictures'), help='default: %(default)s')
    add('--overwrite', action='store_true', help='replace the outputs of an earlier run in --out')
    add('--no-points', action='store_true', help='write no point clouds')
    add(
        '--cloud-stride',
        type=options.count,
        default=0,
        metavar='N',
        help=f'use every n-th row and column; 0 = at most {MOST_POINTS:,} points (default: 0)',
    )
    add('--quiet', action='store_true', help='no progress bar')
    options.add_color_options(parser)
    picture_camera.add_camera_options(parser)
    options.add_model_options(parser)
    options.add_mount_options(parser)
    return parser


if __name__ == '__main__':
    sys.exit(options.run_command(main))
