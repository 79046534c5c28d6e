# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose from the options what a replay judges: a model's depth, or recorded estimates."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from dmd_ros.core.errors import CoreError
from dmd_ros.core.floor import Mount
from dmd_ros.eval import options
from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.reader import BagReader
from dmd_ros.eval.bags.recorded import RecordedDepth
from dmd_ros.eval.bags.transforms import BODY_FROM_OPTICAL, StaticTransforms, mount_above
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.estimates import DepthSource, ModelDepth
from dmd_ros.eval.judge import Limits
from dmd_ros.eval.output import report
from dmd_ros.eval.paths import real
from dmd_ros.floor_scale import VIDEO_MEMORY

# Pitch, degrees, below which no usual lens shows the floor (negative: the camera looks up).
_MIN_PITCH_DEG = -45.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for recorded estimates."""
    group = options.add_estimate_options(
        parser, 'bag with the estimates, if not BAG itself; they are paired by stamp', 'BAG'
    )
    group.add_argument(
        '--estimate-topic',
        help='topic of depth as 32FC1, 16UC1 or compressedDepth; default with --estimates: the '
        'only one',
    )
    group.add_argument(
        '--estimate-rectified',
        choices=('auto', 'true', 'false'),
        default='auto',
        help='whether estimates of distorted images are on the rectified grid; auto: if a '
        'camera_info without distortion is in their namespace',
    )


def is_recorded(args: argparse.Namespace) -> bool:
    """Return whether recorded estimates are judged, instead of a model."""
    return args.estimate_topic is not None or args.estimates is not None


def check_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Raise `EvalError` if options contradict each other."""
    if not is_recorded(args):
        options.refuse_estimate_options(parser, args, '--estimate-topic or --estimates')
        return
    options.refuse_model_options(parser, args)
    if args.estimates and real(args.estimates) == real(args.bag):
        raise EvalError(
            f'--estimates {args.estimates} is the bag itself: leave it out, and give the topic '
            'with --estimate-topic'
        )


def _mount(args: argparse.Namespace, reader: BagReader) -> Mount | None:
    """Read the camera's pose above the floor from the options or from the bag, if given."""
    if args.floor_frame is None:
        return options.mount_from(args)
    if args.camera_height is not None or args.camera_pitch or args.camera_roll:
        raise EvalError('--floor-frame and --camera-height both define the floor: give one')
    frame, option = reader.frame_id(), f'--floor-frame {args.floor_frame}'
    if not frame:
        raise EvalError(
            f'{option}: the images have no frame_id, so the pose of their camera is unknown; give '
            '--camera-height, --camera-pitch and --camera-roll'
        )
    matrix = StaticTransforms(reader.bag, reader.topics.image).between(args.floor_frame, frame)
    try:
        mount = mount_above(matrix)
    except CoreError as error:
        raise EvalError(f'{option}: {error} (the images are in {frame!r})') from None
    if mount.pitch_deg < _MIN_PITCH_DEG:
        body = mount_above(matrix @ BODY_FROM_OPTICAL)
        raise EvalError(
            f'{option}: {frame!r}, the frame of the images, looks up by {-mount.pitch_deg:.0f} '
            'degrees, so that the floor is out of view. If it is the frame of the camera body (x '
            'ahead) and not, as it should be, the optical frame (z ahead), give --camera-height '
            f'{body.height_m:.3f} --camera-pitch {body.pitch_deg:.2f} --camera-roll '
            f'{body.roll_deg:.2f} instead'
        )
    return mount


def source_from(
    args: argparse.Namespace, limits: Limits, reader: BagReader, opened: contextlib.ExitStack
) -> tuple[DepthSource, dict[str, Any]]:
    """Return the source of the depth to judge, and its settings for the record.

    opened: closes the bag of the estimates.
    """
    if not is_recorded(args):
        estimator = options.estimator_from(
            args, temporal=args.temporal, mount=_mount(args, reader), floor_memory=VIDEO_MEMORY
        )
        if doubt := estimator.doubt_of_mount():
            reader.bag.warn(doubt)
        source = ModelDepth(estimator, not args.no_points)
        return source, options.settings_of(args, estimator, limits)
    bag = opened.enter_context(Bag(args.estimates or args.bag))
    topic = topics.choose_estimate(bag, args.estimate_topic)
    range_m = options.estimate_range_from(args, limits)
    recorded = RecordedDepth(
        bag,
        topic,
        reader,
        range_m,
        assumed=args.estimate_range is None,
        rectified={'auto': None, 'true': True, 'false': False}[args.estimate_rectified],
        tolerance_s=args.depth_tolerance,
    )
    return recorded, {
        'estimate_topic': topic,
        'estimates': None if args.estimates is None else report.as_text(str(args.estimates)),
        'estimate_range_m': range_m,
        'estimate_rectified': recorded.rectified,
        'truth_range_m': [limits.min_m, limits.max_m],
    }
