# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of a video: python -m dmd_ros.eval.video VIDEO [--out DIR].

Frames are processed as in the node: with the same noise, and with medians over the newest 31
frames of the field of view (if estimated) and the scale by the floor (with --camera-height). They
are upright and have square pixels, as players show them; with --calibration they are as stored.
Writes to --out depth.mp4, the video beside its depth in colours that mean the same metres in every
frame (MPEG-4 Part 2, which VLC, mpv and FFmpeg play, but browsers do not; at the mean rate, if
that of the video varies), and video.json: the camera and its source, figures of each frame,
flicker, and the time of each stage. With --depth npy or --depth png also depth/NNNNNN.npy (float32
[H, W], metres along Z; NaN: no estimate, inf: beyond the model's range, -inf: too close) or .png
(16 bit, millimetres; 0: none, or beyond 65.535 m) of each frame, by its number. With --bag also
bag/, a rosbag2 mcap of /image, /camera_info, /depth/image, /depth/camera_info and /points for
RViz, Foxglove and dmd_ros.eval.replay, with the times in the video as stamps. Deterministic.
Ctrl-C stops after the current frame and keeps the results so far.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dmd_ros.core.camera import degrees_from_tan_half
from dmd_ros.estimator import TEMPORAL_MODES
from dmd_ros.eval import options, picture_camera, video_output
from dmd_ros.eval.bags.reader import BagFrame
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.estimates import ModelDepth
from dmd_ros.eval.judge import Limits
from dmd_ros.eval.output import report
from dmd_ros.eval.picture_camera import ESTIMATE, ESTIMATED, PictureCameras
from dmd_ros.eval.replay_session import ReplaySession
from dmd_ros.eval.video_file import VideoFile, VideoFrame, captured_stderr
from dmd_ros.eval.video_output import VideoOutput
from dmd_ros.floor_scale import VIDEO_MEMORY as FLOOR_MEMORY
from dmd_ros.fov import VIDEO_MEMORY

_FRAME_ID = 'camera'
# How the field of view is estimated, as in the node.
_HOW = f'median over the newest {VIDEO_MEMORY} frames'


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = _parser().parse_args(argv)
    scale_m = options.color_scale_from(args)
    chosen = _chosen(args)
    cameras = PictureCameras(args, VIDEO_MEMORY)
    old_outputs = video_output.left_over(args.out, args.video, args.overwrite)
    # A calibration describes the frames as they are stored, including the shape of their pixels.
    video = VideoFile(args.video, args.fps, square=args.calibration is None)
    frames = video.frames(*chosen)
    first = _first(video, frames, args.start)
    turned = f'{video.path}: its metadata turn it by {video.turned} degrees'
    camera = _Camera(cameras, turned if video.turned else '', first)
    estimator = options.estimator_from(args, temporal=args.temporal, floor_memory=FLOOR_MEMORY)
    settings = {**_settings(args, scale_m), **options.settings_of(args, estimator)}
    session = ReplaySession(ModelDepth(estimator, args.bag), Limits(), set())
    # Only now that all inputs are known to be good: a typo must not delete an earlier result.
    options.remove(old_outputs)
    args.out.mkdir(parents=True, exist_ok=True)
    with options.ctrl_c_between_steps() as stopped:
        subtitle = f'{estimator.contract.name}; field of view: {camera.why}'
        strip = video_output.strip(video.path.name, subtitle, scale_m)
        fps = video.fps / args.stride
        with VideoOutput(args.out, fps, strip, args.depth, args.bag) as output:
            every, total = itertools.chain([first], frames), video.expected(*chosen)
            bar = tqdm(every, total=total, unit='frame', disable=args.quiet)
            _run(map(camera.bag_frame, bar), session, output, stopped)
        for resource in (video, cameras, estimator):
            resource.close()
        doubts = [estimator.doubt_of_mount()]
        results = _results(video, camera, session, settings, doubts, stopped())
        results['film'] = output.film.facts()
        report.write_json(args.out / video_output.SUMMARY, results)
        _tell(args.out, results, output)
    if stopped():
        raise KeyboardInterrupt  # so that the exit status tells that the results are incomplete


class _Camera:
    """The camera of the frames.

    source: one of `picture_camera.SOURCES`; why: the source in words.
    """

    def __init__(self, cameras: PictureCameras, turned: str, first: VideoFrame) -> None:
        """Check the first frame; raises `CoreError` if the calibration does not fit it."""
        self._cameras, self._turned = cameras, turned
        given = cameras.given(first.rgb, turned)
        self.source = ESTIMATE if given is None else given.source
        self.why = f'estimated ({_HOW})' if given is None else given.why

    def bag_frame(self, frame: VideoFrame) -> BagFrame:
        """Return a frame with its camera, like one of a bag."""
        timings = {'decode': frame.decode_s}
        started = time.perf_counter()
        known = self._cameras.given(frame.rgb, self._turned)
        if known is None:
            known = self._cameras.estimated(frame.rgb, _HOW)
            timings['fov'] = time.perf_counter() - started
        stamp_ns, rgb = frame.stamp_ns, frame.rgb
        return BagFrame(
            frame.index, stamp_ns, stamp_ns, _FRAME_ID, rgb, known.camera, None, timings
        )


def _run(
    frames: Iterable[BagFrame],
    session: ReplaySession,
    output: VideoOutput,
    stopped: Callable[[], bool],
) -> None:
    """Process every frame; stopped: returns whether to stop after the current one."""
    for frame in frames:
        judged = session.step(frame)
        if judged is not None:
            output.write(frame, *judged)
        if stopped():
            break


def _chosen(args: argparse.Namespace) -> tuple[float, float, int, int]:
    """Return start, end, stride and limit; raises `EvalError` if they select no frame."""
    end = math.inf if args.end is None else args.end
    if not args.start < end:
        raise EvalError(f'--start {args.start:g} and --end {end:g} leave no frame between them')
    return args.start, end, args.stride, args.limit


def _settings(args: argparse.Namespace, scale_m: tuple[float, float]) -> dict[str, Any]:
    """Return the settings that a result depends on, apart from those of the model."""
    names = ('start', 'end', 'stride', 'limit', 'fps', 'rectified', 'fov_model')
    return {**{name: getattr(args, name) for name in names}, 'color_scale_m': scale_m}


def _first(video: VideoFile, frames: Iterator[VideoFrame], start_s: float) -> VideoFrame:
    """Return the first selected frame; raises `EvalError` if there is none."""
    with captured_stderr():  # the error below replaces FFmpeg's lines
        first = next(frames, None)
    if first is not None:
        return first
    if not video.at_end:
        raise EvalError(
            f'no frame of {video.path} begins between --start and --end; move them apart'
        )
    if start_s and video.read:
        raise EvalError(
            f'{video.path} ends before --start {start_s:g} s: it has {video.read} frames, '
            f'{video.read / video.fps:.2f} s'
        )
    of = '' if video.told is None else f' of the {video.told} in its header'
    raise EvalError(f'no frame{of} could be read from {video.path}: it is cut off or damaged')


def _results(
    video: VideoFile,
    camera: _Camera,
    session: ReplaySession,
    settings: dict[str, Any],
    doubts: Sequence[str],
    stopped: bool,
) -> dict[str, Any]:
    """Collect the content of video.json; all but `latency_ms` is the same in every run."""
    done = session.results
    medians = [r.median_m for r in done if r.coverage]
    warnings = [ESTIMATED] if camera.source == ESTIMATE else []
    if stopped:
        warnings.append(f'interrupted after {len(done)} frames: all results are of those alone')
    warnings += filter(None, [video.trouble(), *doubts])
    return {
        'video': str(video.path),
        'settings': settings,
        'fps': video.fps,
        'turned_deg': video.turned,
        'widened': video.widened,
        'fov_source': camera.source,
        'fov_why': camera.why,
        # From the last frame, where an estimate is best.
        'vfov_deg': degrees_from_tan_half(done[-1].tan_half_vfov),
        'frames_by_header': video.told,
        'frames_read': video.read,
        'frames_skipped': video.read - len(done),
        'frames_estimated': len(done),
        'median_m': statistics.median(medians) if medians else math.nan,
        'flicker': session.flicker_summary(),
        'floor': session.floor_summary(),
        'frames': done,
        'warnings': warnings + session.troubles(None),
        'latency_ms': report.stage_latency_ms(session.timings),
    }


def _tell(out: Path, results: dict[str, Any], output: VideoOutput) -> None:
    """Print totals, latency and warnings."""
    rows: list[list[object]] = [
        ['frames read', results['frames_read']],
        ['skipped by --start and --stride', results['frames_skipped']],
        ['with depth', results['frames_estimated']],
        ['vertical field of view, degrees', f'{results["vfov_deg"]:.1f}'],
        ['taken from', results['fov_why']],
        ['median depth, m', results['median_m']],
        ['flicker, median relative change', results['flicker']['predicted_median']],
    ]
    if floor := results['floor']:
        rows += floor.rows('frames')
    print(report.markdown_table(('video', 'value'), rows))
    print(report.latency_table(results['latency_ms']))
    for warning in results['warnings']:
        print(f'warning: {report.as_text(warning)}', file=sys.stderr)
    print(f'written: {report.as_text(str(out))}/{", ".join(output.written())}')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m dmd_ros.eval.video', description=__doc__)
    add = parser.add_argument
    add('video', type=Path, metavar='VIDEO', help='mp4, mkv, webm, avi, mov: any of FFmpeg')
    add('--out', type=Path, default=Path('out/video'), help='default: %(default)s')
    add('--overwrite', action='store_true', help='replace the outputs of an earlier run in --out')
    add('--start', type=options.seconds, default=0.0, metavar='S', help='seconds (default: 0)')
    add('--end', type=options.seconds, metavar='S', help='seconds (default: to the end)')
    add('--stride', type=options.positive, default=1, help='take every n-th frame')
    add('--limit', type=options.count, default=0, help='at most n frames; 0 = all')
    add(
        '--fps',
        type=float,
        help='frames per second, if missing or wrong in the file; it then determines all times',
    )
    add('--depth', choices=video_output.DEPTH_KINDS, help='also write the depth of each frame')
    add(
        '--bag',
        action='store_true',
        help='also write a bag of images, depth and clouds: 11 bytes per pixel and frame',
    )
    add('--temporal', choices=TEMPORAL_MODES, default='fixed', help='default: %(default)s')
    add('--quiet', action='store_true', help='no progress bar')
    options.add_color_options(parser)
    picture_camera.add_camera_options(parser, 'estimated by the field-of-view network')
    options.add_model_options(parser)
    options.add_mount_options(parser)
    return parser


if __name__ == '__main__':
    sys.exit(options.run_command(main))
