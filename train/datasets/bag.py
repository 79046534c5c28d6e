# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of your own robot: colour pictures, their camera_info, and depth or LiDAR points.

A bag is a stream, but training needs random access. So the pairs are written once to a folder of
labelled frames beside the bag, and read from there. Lens distortion is removed in the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from dmd_ros.core.camera_info import same_frame
from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_msg import millimetres_from_depth
from dmd_ros.core.preprocess import ROTATIONS, turned
from dmd_ros.core.records import RawSample
from dmd_ros.eval import points
from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag, storage_files
from dmd_ros.eval.bags.reader import BagFrame, BagReader
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.registration import same_view
from train.datasets.frames import Frames, check_part
from train.errors import TrainError

# Default tolerance in seconds between the stamps of a picture and its depth.
MAX_APART_S = 0.03
# File beside the frames that records their origin.
_ORIGIN = 'origin.json'
# Version of the frames' names: 2 sorts by time even if stamps differ in length.
_LAYOUT = 2
# Options of the evaluation, which reads the bag, and their names here.
_OPTIONS = {
    '--image-topic': 'option image',
    '--camera-info-topic': 'option info',
    '--depth-topic': 'option depth',
    '--depth-info-topic': 'option depth_info',
    '--depth-tolerance': 'option depth_tolerance',
    '--depth-as-is': 'depth_frame any',
}
DEPTH_FRAMES = ('same', 'any')


class BagFrames(Frames):
    """Frames of a bag; topics are found automatically if the bag leaves no choice.

    depth: topic of a depth image or, if specified, of a PointCloud2.
    every: keep every n-th picture.
    image_rotation: degrees clockwise to turn pictures upright (0, 90, 180, 270), as in the node.
    depth_frame: 'same' registers depth whose frame_id differs from that of the pictures, using the
    bag's static transforms and the camera_info topic depth_info, and raises an error if they do
    not suffice; 'any' uses depth without registration.
    depth_tolerance: maximum difference of stamps in seconds.
    cache: folder for the frames (default: '<bag>.frames' beside the bag). An existing one is used
    if it was made from this recording with these options; otherwise it is an error.
    part, held_out: as for `Frames`.
    """

    dataset = 'bag'
    tree = 'a rosbag2 folder, or a .mcap, .db3 or .bag file, with image, camera_info and depth'

    def __init__(
        self,
        root: str | Path,
        image: str | None = None,
        info: str | None = None,
        depth: str | None = None,
        every: int = 1,
        image_rotation: int = 0,
        depth_frame: str = 'same',
        depth_info: str | None = None,
        depth_tolerance: float = MAX_APART_S,
        cache: str | Path | None = None,
        part: str = 'all',
        held_out: int = 20,
    ) -> None:
        """Extract the frames unless they exist already; raises `TrainError`."""
        check_part(self.dataset, part, held_out)
        if image_rotation not in ROTATIONS:
            allowed = ', '.join(map(str, ROTATIONS))
            raise TrainError(f'bag: image_rotation={image_rotation}; allowed: {allowed}')
        if depth_frame not in DEPTH_FRAMES:
            allowed = ', '.join(DEPTH_FRAMES)
            raise TrainError(f'bag: depth_frame={depth_frame!r}; allowed: {allowed}')
        if not 0.0 < depth_tolerance <= 1e9:
            raise TrainError(
                f'bag: depth_tolerance={depth_tolerance}; allowed: above 0, up to 1e9 seconds'
            )
        chosen = {
            'image': image, 'info': info, 'depth': depth, 'every': every,
            # None at the default, as in folders written before these options existed.
            'image_rotation': image_rotation or None,
            'depth_frame': None if depth_frame == 'same' else depth_frame,
            'depth_info': depth_info,
            'depth_tolerance': None if depth_tolerance == MAX_APART_S else depth_tolerance,
        }  # fmt: skip
        bag = Path(root).expanduser()
        folder = Path(cache).expanduser() if cache else bag.with_name(bag.name + '.frames')
        if not folder.is_dir():
            if not bag.exists():
                raise TrainError(f'bag: {bag} does not exist; expected {self.tree}')
            with _one_process_in(bag):
                if not folder.is_dir():
                    try:
                        extract(bag, folder, chosen)
                    except (EvalError, CoreError, TrainError) as error:
                        raise TrainError(f'bag {bag}: {_by_our_names(error)}') from None
        _check_made_of(folder, _origin(bag, folder, chosen))
        super().__init__(folder, part, held_out)


def extract(path: Path, folder: Path, chosen: Mapping[str, Any]) -> int:
    """Write the labelled frames of a bag to `folder`; return their number.

    chosen: the options of `BagFrames`, None for the defaults.
    """
    building = folder.with_name(folder.name + '.part')
    shutil.rmtree(building, ignore_errors=True)
    count = 0
    with Bag(path) as bag:
        names = topics.choose(
            bag,
            *(chosen[key] for key in ('image', 'info', 'depth')),
            depth_info=chosen['depth_info'],
        )
        if names.depth is None:
            hints = '; '.join(['', *bag.warnings])
            raise TrainError(f'no depth topic, so there is nothing to learn from{hints}')
        frames = BagReader(
            bag,
            names,
            rectified=topics.is_rectified(names.image, 'auto'),
            depth_as_is=chosen['depth_frame'] == 'any',
            tolerance_s=chosen['depth_tolerance'] or MAX_APART_S,
            stride=chosen['every'],
        )
        for frame in tqdm(frames, total=len(frames.chosen), desc=path.name, unit='picture'):
            if frame.truth_m is None:
                continue
            if not chosen['depth_frame'] and not same_frame(frame.truth_frame_id, frame.frame_id):
                raise TrainError(
                    f'depth of {names.depth} is in frame {frame.truth_frame_id!r}, the pictures '
                    f'in {frame.frame_id!r}: it is not registered to colour, and cannot be here: '
                    f'{frames.truth.obstacle}. Or record registered depth '
                    '(align_depth.enable:=true of a RealSense), or choose another topic; '
                    'depth_frame any uses it unchanged, for drivers that only misname the frame'
                )
            sample = _turned(labelled(frame), chosen['image_rotation'] or 0)
            if np.isnan(sample.depth).all():
                frames.skipped['no pixel of its depth is measured'] += 1
                continue
            name = f'{frame.stamp_ns:020d}_{frame.index:06d}'
            write_frame(building / name, sample, path.name)
            count += 1
        if not count:
            reasons = '; '.join([*bag.warnings, *frames.skipped]) or 'no depth is near a picture'
            raise TrainError(f'no labelled frame: {reasons}')
        skipped = [f'{n} image(s) skipped: {why}' for why, n in frames.skipped.items()]
        for warning in (*bag.warnings, *skipped):
            print(f'warning: {_by_our_names(warning)}', file=sys.stderr)
    origin = _origin(path, folder, chosen)
    (building / _ORIGIN).write_text(json.dumps(origin, indent=1), encoding='utf-8')
    building.rename(folder)
    return count


def _by_our_names(message: object) -> str:
    text = str(message)
    for theirs, ours in _OPTIONS.items():
        text = text.replace(theirs, ours)
    return text


@contextlib.contextmanager
def _one_process_in(bag: Path) -> Iterator[None]:
    """Admit the processes of torchrun in turn: the first writes frames, the others find them."""
    with contextlib.ExitStack() as held:
        # File systems without locks admit all at once. The reader reports an unreadable bag.
        with contextlib.suppress(OSError):
            handle = os.open(bag, os.O_RDONLY)
            held.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _origin(bag: Path, folder: Path, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the origin of the frames in `folder`.

    The path of the bag is relative to `folder`, because they may be moved together. An existing
    bag is also identified by its size and the time of its last change.
    """
    stats = [file.stat() for file in storage_files(bag) if file.is_file()]
    recording = {}
    if stats:
        changed = datetime.fromtimestamp(int(max(s.st_mtime for s in stats)), timezone.utc)
        size = sum(s.st_size for s in stats)
        recording = {'bytes': size, 'changed': changed.isoformat()}
    where = os.path.relpath(bag.resolve(), folder.resolve())
    return {'layout': _LAYOUT, 'bag': where, **recording, **chosen}


def _check_made_of(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Raise `TrainError` if the frames are of another recording or made with other options."""
    try:
        made = json.loads((folder / _ORIGIN).read_text(encoding='utf-8'))
        differing = [
            f'{key} {made.get(key)!r}, now {wanted[key]!r}'
            for key in wanted
            if made.get(key) != wanted[key]
        ]
    except (OSError, ValueError, AttributeError):
        differing = [f'{_ORIGIN} is missing or unreadable']
    if differing:
        raise TrainError(
            f'bag: the frames in {folder} were made from another recording or with other options: '
            f'{"; ".join(differing)}. Delete that folder, or choose another (cache, --out)'
        )


def labelled(frame: BagFrame) -> RawSample:
    """Return the picture without distortion, with each measured depth at its pixel."""
    assert frame.truth_m is not None
    height, width = frame.truth_m.shape
    camera = frame.camera
    if not same_view(frame.truth_m.shape, camera):
        raise TrainError(
            f'depth is {width}x{height}, the picture {camera.width}x{camera.height}: they show '
            'different fields of view; record depth registered to colour (aligned_depth_to_color)'
        )
    sx, sy = camera.width / width, camera.height / height
    v, u = np.nonzero(np.isfinite(frame.truth_m))
    z = frame.truth_m[v, u]
    return points.rectified(frame.rgb, camera, (u + 0.5) * sx - 0.5, (v + 0.5) * sy - 0.5, z)


def _turned(sample: RawSample, degrees: int) -> RawSample:
    """Rotate a sample clockwise."""
    rgb, depth = (turned(image, degrees).copy() for image in (sample.rgb, sample.depth))
    return RawSample(rgb, depth, sample.camera.turned(degrees))


def write_frame(folder: Path, sample: RawSample, source: str) -> None:
    """Write one labelled frame in the layout that `dmd_ros.eval.frame_folder` reads."""
    folder.mkdir(parents=True)
    codes = np.empty(sample.depth.shape, np.uint16)
    millimetres_from_depth(sample.depth, codes)
    lost = np.isfinite(sample.depth) & (codes == 0)
    if lost.any():
        v, u = np.nonzero(lost)
        np.savez(folder / 'depth_full.npz', u=u, v=v, z=sample.depth[v, u])
    camera = sample.camera
    meta = {key: getattr(camera, key) for key in ('fx', 'fy', 'cx', 'cy', 'width', 'height')}
    # imwrite would not report a full disk.
    for name, picture in (('rgb', cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2BGR)), ('depth', codes)):
        (folder / f'{name}.png').write_bytes(cv2.imencode('.png', picture)[1].tobytes())
    text = json.dumps({**meta, 'source': source}, indent=1)
    (folder / 'meta.json').write_text(text, encoding='utf-8')
