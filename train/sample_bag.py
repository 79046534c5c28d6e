# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Render the sample bag of the demo: python -m train.sample_bag FOLDER.

A camera moves through a procedural room outside all training seeds. The rosbag2 mcap contains
CompressedImage (JPEG), CameraInfo, and true depth (16-bit PNG, millimetres, at half the size to
keep the repository small). It is reproducible byte by byte until the code of the worlds changes:
test/data/sample_bag is from an earlier version, and a new bag shows another room.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from tqdm import tqdm

from dmd_ros.core.image_msg import millimetres_from_depth
from dmd_ros.core.preprocess import View, prepare_depth
from dmd_ros.core.records import RawSample
from dmd_ros.eval.bags.messages import make_header, make_info
from dmd_ros.eval.options import positive
from train.errors import TrainError, in_one_line
from train.outputs import check_folder
from train.worlds.generate import held_out
from train.worlds.trajectory import trajectory

IMAGE, INFO, DEPTH = '/image/compressed', '/camera_info', '/depth/truth/compressed'
_TYPES = {
    IMAGE: 'sensor_msgs/msg/CompressedImage',
    INFO: 'sensor_msgs/msg/CameraInfo',
    DEPTH: 'sensor_msgs/msg/CompressedImage',
}
FRAME_ID = 'camera'
START_NS = 1_700_000_000 * 10**9
_JPEG_QUALITY = 88


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog='python -m train.sample_bag', description=__doc__)
    add = parser.add_argument
    add('folder', type=Path, help='the bag to write; replaced if it exists')
    add('--seed', type=int, default=4, help='default: %(default)s')
    add('--frames', type=positive, default=30, help='default: %(default)s')
    add('--rate', type=float, default=6.0, metavar='HZ', help='default: %(default)s')
    add('--size', type=int, nargs=2, default=(640, 480), metavar=('WIDTH', 'HEIGHT'),
        help='image size (default: 640 480)')  # fmt: skip
    args = parser.parse_args(argv)
    if args.folder.exists() and not (args.folder / 'metadata.yaml').is_file():
        parser.error(f'{args.folder} exists and is not a bag; choose another folder')
    if min(args.size) < 2:
        asked = ' '.join(map(str, args.size))
        parser.error(f'--size {asked}: both must be >= 2, as depth has half the size')
    if not 0.001 <= args.rate <= 1000.0:
        parser.error(f'--rate {args.rate:g} must be from 0.001 to 1000 Hz')
    try:
        seed = held_out(args.seed)
    except TrainError as error:
        parser.error(str(error))
    return in_one_line(lambda: _run(args, seed))


def _run(args: argparse.Namespace, seed: int) -> None:
    check_folder(args.folder, 'FOLDER')
    shutil.rmtree(args.folder, ignore_errors=True)
    width, height = args.size
    walk = trajectory(seed, args.frames, (height, width))
    samples = (sample for sample, _ in tqdm(walk, total=args.frames, unit='frame'))
    write_bag(args.folder, samples, round(1e9 / args.rate))


def write_bag(folder: Path, samples: Iterator[RawSample], period_ns: int) -> None:
    """Write one message of each topic per sample."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        topics = {t: bag.add_connection(t, kind, typestore=store) for t, kind in _TYPES.items()}
        for index, sample in enumerate(samples):
            stamp = START_NS + index * period_ns
            for topic, message in _messages(store.types, sample, stamp).items():
                bag.write(topics[topic], stamp, store.serialize_cdr(message, _TYPES[topic]))


def _messages(types: dict[str, Any], sample: RawSample, stamp_ns: int) -> dict[str, Any]:
    """Return the messages of one sample by topic."""
    header = make_header(types, stamp_ns, FRAME_ID)
    image = cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    png = cv2.imencode('.png', _millimetres(sample), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    compressed = types['sensor_msgs/msg/CompressedImage']
    return {
        INFO: make_info(types, header, sample.camera),
        IMAGE: compressed(header=header, format='jpeg', data=jpeg.reshape(-1)),
        DEPTH: compressed(header=header, format='16UC1; png', data=png.reshape(-1)),
    }


def _millimetres(sample: RawSample) -> np.ndarray:
    """Return the true depth at half the size, uint16; sky and depths beyond 65 m are 0."""
    camera = sample.camera
    height, width = camera.height // 2, camera.width // 2
    half = prepare_depth(
        sample.depth, View(camera, 0, 0, camera.width, camera.height, height, width)
    )
    millimetres = np.empty((height, width), np.uint16)
    millimetres_from_depth(half, millimetres)
    return millimetres


if __name__ == '__main__':
    sys.exit(main())
