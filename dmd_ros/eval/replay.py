# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judge depth on a bag: python -m dmd_ros.eval.replay BAG [--out DIR].

Runs a model over the bag, in this process: the result is deterministic, and no frame is dropped on
a slow machine. Writes to --out: depth/ (rosbag2 mcap of depth/image, depth/camera_info and points,
with the stamps of the images), results.json, sheet.png, cloud.png, and the same cloud as
cloud.ply. Metrics need a depth topic in the bag; everything else works without one. Ctrl-C stops
after the current image and writes the results so far; a second Ctrl-C, at least three seconds
later, stops at once.

With --estimate-topic or --estimates, no model is run: the depth that another node has recorded, in
this bag or another one, is judged in the same way (`dmd_ros.eval.bags.recorded`), without depth/
and cloud.ply.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dmd_ros.estimator import TEMPORAL_MODES
from dmd_ros.eval import options, replay_report, replay_source
from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag, bag_name
from dmd_ros.eval.bags.reader import BagReader
from dmd_ros.eval.bags.writer import DepthBagWriter, check_replaceable
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output import report, sheet
from dmd_ros.eval.replay_session import ReplaySession
from dmd_ros.fov import CAMERA_INFO, FOV_SOURCES, VIDEO_MEMORY
from dmd_ros.loading import load_camera_source

_DEPTH = 'depth'
_SHEET_ROWS = 6


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = _parser()
    args = parser.parse_args(argv)
    limits = options.limits_from(args)
    replay_source.check_options(parser, args)
    _check_camera_options(args)
    out: Path = args.out
    old_outputs = _left_over(out, args.overwrite, args.bag, args.estimates)
    with contextlib.ExitStack() as opened:
        bag = opened.enter_context(Bag(args.bag))
        reader = _reader(bag, args)
        source, source_settings = replay_source.source_from(args, limits, reader, opened)
        settings = {
            **source_settings,
            'stride': args.stride,
            'limit': args.limit,
            'fov_source': args.fov_source,
            'vfov_deg': args.vfov,
            'fov_model': args.fov_model,
            'input_rectified': reader.rectified,
            'depth_tolerance_s': args.depth_tolerance,
        }
        keep = sheet.places(source.count(reader.chosen), _SHEET_ROWS)
        session = ReplaySession(source, limits, keep)
        # Only now that all inputs are known to be good: a typo must not delete an earlier result.
        options.remove(old_outputs)
        out.mkdir(parents=True, exist_ok=True)
        with options.ctrl_c_between_steps() as stopped:
            target = None if replay_source.is_recorded(args) else out / _DEPTH
            _run(reader, session, target, args.quiet, stopped)
            source.close()
            if reader.camera_source is not None:
                reader.camera_source.close()
            results = _results(bag, reader, settings, session, stopped())
            report.write_json(out / 'results.json', results)
            replay_report.draw(out, results, session)
            replay_report.tell(out, results)
    if stopped():
        raise KeyboardInterrupt  # so that the exit status tells that the results are incomplete


def _check_camera_options(args: argparse.Namespace) -> None:
    """Raise `EvalError` if --fov-source lacks its option, or has that of another source."""
    source = args.fov_source
    if source == 'fixed' and args.vfov is None:
        raise EvalError('--fov-source fixed needs --vfov, the vertical field of view in degrees')
    if source != 'fixed' and args.vfov is not None:
        raise EvalError(f'--vfov {args.vfov:g} needs --fov-source fixed, not {source}')
    if source != 'estimate' and args.fov_model is not None:
        raise EvalError(f'--fov-model needs --fov-source estimate, not {source}')


def _reader(bag: Bag, args: argparse.Namespace) -> BagReader:
    """Choose topics and camera from the options."""
    source = load_camera_source(
        args.fov_source, args.vfov, args.fov_model, VIDEO_MEMORY, args.image_rotation
    )
    names = (args.image_topic, args.camera_info_topic, args.depth_topic)
    inside = args.estimate_topic if args.estimates is None else None
    chosen = topics.choose(
        bag,
        *names,
        calibrated=source is None,
        depth_info=args.depth_info_topic,
        estimate=inside,
    )
    if replay_source.is_recorded(args) and chosen.depth is None and args.depth_topic is None:
        bag.warn('the only depth topic is that of the estimates, so there is no ground truth')
    if args.depth_as_is and chosen.depth is None:
        raise EvalError(
            '--depth-as-is needs a depth image, and there is none: leave it out, or name one with '
            '--depth-topic'
        )
    return BagReader(
        bag,
        chosen,
        rectified=topics.is_rectified(chosen.image, args.rectified),
        camera_source=source,
        depth_as_is=args.depth_as_is,
        tolerance_s=args.depth_tolerance,
        stride=args.stride,
        limit=args.limit,
    )


def _run(
    reader: BagReader,
    session: ReplaySession,
    target: Path | None,
    quiet: bool,
    stopped: Callable[[], bool],
) -> None:
    """Judge every frame and write its depth to `target`, which is removed after an error.

    stopped: returns whether to stop after the current frame.
    """
    points = None
    try:
        with contextlib.nullcontext() if target is None else DepthBagWriter(target) as writer:
            for frame in tqdm(reader, total=len(reader.chosen), unit='frame', disable=quiet):
                judged = session.step(frame)
                if judged is not None and writer is not None:
                    _, estimate = judged
                    points = estimate.points
                    writer.write(
                        frame.stamp_ns,
                        frame.logged_ns,
                        frame.frame_id,
                        estimate.depth,
                        estimate.camera,
                        points,
                    )
                if stopped():
                    break
        if not session.results:
            reasons = '; '.join(f'{n} x {why}' for why, n in _skipped(reader, session).items())
            raise EvalError(f'no image of {reader.topics.image} could be used: {reasons}')
    except Exception as error:
        if target is None:
            raise
        shutil.rmtree(target, ignore_errors=True)
        if isinstance(error, OSError):
            smaller = error.errno == errno.ENOSPC and points is not None
            advice = '; without clouds (--no-points) it is a fifth of the size' if smaller else ''
            raise EvalError(f'cannot write {target} ({error}){advice}') from None
        raise


def _skipped(reader: BagReader, session: ReplaySession) -> dict[str, int]:
    """Count the images that were not judged, by reason: of the image, or of its estimate."""
    return dict(reader.skipped + session.skipped)


def _results(
    bag: Bag,
    reader: BagReader,
    settings: Mapping[str, Any],
    session: ReplaySession,
    stopped: bool,
) -> dict[str, Any]:
    """Collect the content of results.json; all but `latency_ms` is the same in every run."""
    skipped = _skipped(reader, session)
    seen = len(session.results) + sum(skipped.values())
    if stopped and seen < len(reader.chosen):
        bag.warn(
            f'interrupted after {seen} of {len(reader.chosen)} images: all results are of those '
            'alone'
        )
    for trouble in session.troubles(reader.topics.depth):
        bag.warn(trouble)
    return {
        'bag': bag_name(bag.path),
        'topics': reader.topics,
        'settings': {**settings, 'ground_truth': '; '.join(reader.truth.how) or None},
        'images_in_bag': reader.images_in_bag,
        'images_chosen': len(reader.chosen),
        'images_evaluated': len(session.results),
        'images_skipped': skipped,
        'camera_info_of_other_stamp': reader.inexact_infos,
        'total': session.summary(),
        'flicker': session.flicker_summary(),
        'floor': session.floor_summary(),
        'frames': session.results,
        'warnings': bag.warnings,
        'latency_ms': report.stage_latency_ms(session.timings),
    }


def _left_over(out: Path, overwrite: bool, bag: Path, estimates: Path | None) -> list[Path]:
    """List the outputs of an earlier run; raises `EvalError` if they must not be removed."""
    left = options.left_over(out, (*replay_report.OUTPUTS, _DEPTH), overwrite)
    for source in filter(None, (bag, estimates)):
        check_replaceable(out / _DEPTH, source)
    return left


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m dmd_ros.eval.replay', description=__doc__)
    add = parser.add_argument
    add('bag', type=Path, metavar='BAG', help='rosbag2 folder, or a .mcap, .db3 or .bag file')
    add('--out', type=Path, default=Path('out/replay'), help='default: %(default)s')
    add('--overwrite', action='store_true', help='replace the outputs of an earlier run in --out')
    add('--image-topic', help='default: the only one')
    add('--camera-info-topic', help="default: the only one, or the one in the image's namespace")
    add(
        '--depth-topic',
        help='ground truth: a depth image (registered with /tf_static if it is in another frame) '
        "or a LiDAR's PointCloud2; default: the only depth image, if any; 'none': no ground truth",
    )
    add('--depth-info-topic', help='camera_info of the depth; default: the one in its namespace')
    add('--depth-as-is', action='store_true',
        help='take a depth image as it is, whatever its frame_id')  # fmt: skip
    add('--depth-tolerance', type=options.seconds, default=0.02, metavar='S',
        help='maximum difference of the stamps of image and depth, default: %(default)s; larger '
        'for a LiDAR that is not synchronised with the camera (0.05 at 10 Hz), where moving '
        'objects are displaced by their motion in that time')  # fmt: skip
    add(
        '--rectified',
        choices=('auto', 'true', 'false'),
        default='auto',
        help="whether images are rectified; auto: if the topic's name says so",
    )
    add('--fov-source', choices=FOV_SOURCES, default=CAMERA_INFO, help='default: %(default)s')
    add('--vfov', type=float, metavar='DEG', help='vertical field of view, for fixed')
    add('--fov-model', help='model for estimate (default: the shipped one)')
    add(
        '--floor-frame',
        metavar='FRAME',
        help='instead of --camera-height: a frame of /tf_static whose z = 0 is the floor, for '
        'example base_footprint',
    )
    add('--stride', type=options.positive, default=1, help='take every n-th image')
    add('--limit', type=options.count, default=0, help='at most n images; 0 = all')
    add('--temporal', choices=TEMPORAL_MODES, default='fixed', help='default: %(default)s')
    add('--no-points', action='store_true', help='write no clouds (a smaller bag)')
    add('--quiet', action='store_true', help='no progress bar')
    options.add_model_options(parser)
    options.add_mount_options(parser)
    replay_source.add_options(parser)
    options.add_limit_options(parser)
    return parser


if __name__ == '__main__':
    sys.exit(options.run_command(main))
