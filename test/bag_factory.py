# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small true bags, written by rosbags: rosbag2 (mcap, sqlite3, zstd) and ROS 1."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Reader as Reader2
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from dmd_ros.core.camera import Camera
from dmd_ros.eval.points import transform

IMAGE, INFO, DEPTH = '/camera/image_raw', '/camera/camera_info', '/camera/depth/image'
KINDS = ('mcap', 'sqlite3', 'mcap+file', 'sqlite3+message', 'mcap+message', 'mcap+chunks', 'ros1')
# Of tf2, and of tf in early ROS 1.
TF_TYPES = ('tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage')
T0 = 1_700_000_000_000_000_000
CAMERA = Camera(fx=50.0, fy=50.0, cx=31.5, cy=23.5, width=64, height=48)


def pose(turn: Sequence[float], shift: Sequence[float]) -> np.ndarray:
    """Return the 4x4 matrix of a rotation vector and a translation."""
    return transform(cv2.Rodrigues(np.array(turn, float))[0], shift)


@dataclass
class Item:
    """One message to write: topic, header stamp (ns), content, and recording time."""

    topic: str
    stamp_ns: int
    content: Any
    # 'image', 'jpeg', 'png', 'depth32', 'depth16', 'compressed_depth', 'info', 'string',
    # 'cloud' (points [N, 3]), 'tf' (a list of parent, child and the 4x4 of x_parent = M x_child)
    kind: str
    frame_id: str = 'camera'
    logged_ns: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def frames(
    pictures: Sequence[np.ndarray],
    depths: Sequence[np.ndarray] | None = None,
    period_ns: int = 100_000_000,
    camera: Camera = CAMERA,
) -> list[Item]:
    """A regular recording: image, info and depth with equal stamps."""
    items = []
    for i, picture in enumerate(pictures):
        stamp = T0 + i * period_ns
        items.append(Item(IMAGE, stamp, picture, 'image'))
        items.append(Item(INFO, stamp, camera, 'info'))
        if depths is not None:
            items.append(Item(DEPTH, stamp, depths[i], 'depth32'))
    return items


def write_bag(
    path: Path, items: Sequence[Item], kind: str = 'mcap', silent: Sequence[str] = ()
) -> Path:
    """Write `items` in the order given; gives the path to open (a folder, or a .bag file).

    silent: topics of images that were recorded, of a rosbag2, and got no message.
    """
    if kind == 'ros1':
        path = path.with_suffix('.bag')
        store = get_typestore(Stores.ROS1_NOETIC)
        definition = 'geometry_msgs/TransformStamped[] transforms'
        for name in TF_TYPES:
            store.register(get_types_from_msg(definition, name))
        with Writer1(path) as writer:
            _write(writer, store, items, ros1=True)
        return path
    plugin, _, mode = kind.partition('+')
    store = get_typestore(Stores.ROS2_JAZZY)
    storage = StoragePlugin.MCAP if plugin == 'mcap' else StoragePlugin.SQLITE3
    writer = Writer2(path, version=9, storage_plugin=storage)
    modes = {
        'file': CompressionMode.FILE,
        'message': CompressionMode.MESSAGE,
        'chunks': CompressionMode.STORAGE,
    }
    if mode:
        writer.set_compression(modes[mode], CompressionFormat.ZSTD)
    with writer:
        for topic in silent:
            writer.add_connection(topic, 'sensor_msgs/msg/Image', typestore=store)
        _write(writer, store, items, ros1=False)
    return path


def merge_bags(path: Path, sources: dict[Path, dict[str, str]]) -> Path:
    """Copy topics of mcap bags, bag -> topic -> its new name, into a new bag, byte for byte."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer2(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for source, names in sources.items():
            with Reader2(source) as reader:
                chosen = [c for c in reader.connections if c.topic in names]
                added = {
                    c.id: writer.add_connection(names[c.topic], c.msgtype, typestore=store)
                    for c in chosen
                }
                for connection, logged_ns, data in reader.messages(chosen):
                    writer.write(added[connection.id], logged_ns, data)
    return path


def storage_file(path: Path) -> Path:
    """The file of a bag that holds the messages."""
    if path.is_file():
        return path
    (found,) = (p for p in path.iterdir() if p.name != 'metadata.yaml')
    return found


def _write(writer: Any, store: Any, items: Sequence[Item], ros1: bool) -> None:
    connections: dict[tuple[str, str], Any] = {}
    for sequence, item in enumerate(items):
        message = _message(store, item, ros1, sequence)
        msgtype = message.__msgtype__
        key = (item.topic, msgtype)
        if key not in connections:
            connections[key] = writer.add_connection(item.topic, msgtype, typestore=store)
        serialize = store.serialize_ros1 if ros1 else store.serialize_cdr
        logged = item.stamp_ns if item.logged_ns is None else item.logged_ns
        writer.write(connections[key], logged, serialize(message, msgtype))


def _message(store: Any, item: Item, ros1: bool, sequence: int) -> Any:
    types = store.types
    if item.kind == 'string':
        return types['std_msgs/msg/String'](data=item.content)
    seconds, nanoseconds = divmod(item.stamp_ns, 10**9)
    stamp = types['builtin_interfaces/msg/Time'](seconds, nanoseconds)
    head = {'seq': sequence} if ros1 else {}
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id=item.frame_id, **head)
    if item.kind == 'tf':
        links = [_link(types, stamp, head, *link) for link in item.content]
        return types[item.extra.get('type', TF_TYPES[0])](transforms=links)
    if item.kind == 'cloud':
        return _cloud(types, header, item.content, item.extra)
    if item.kind == 'info':
        return _info(types, header, item.content, ros1, item.extra)
    if item.kind in ('jpeg', 'png', 'compressed_depth', 'bytes'):
        kind, data = _compressed(item)
        return types['sensor_msgs/msg/CompressedImage'](
            header=header, format=kind, data=np.frombuffer(data, np.uint8)
        )
    pixels = np.ascontiguousarray(item.content)
    encoding = {'image': 'rgb8', 'depth32': '32FC1', 'depth16': '16UC1'}[item.kind]
    return types['sensor_msgs/msg/Image'](
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=item.extra.get('encoding', encoding),
        is_bigendian=0,
        step=pixels.strides[0],
        data=pixels.view(np.uint8).reshape(-1),
    )


def _link(
    types: Any, stamp: Any, head: dict[str, int], parent: str, child: str, matrix: np.ndarray
) -> Any:
    turn = cv2.Rodrigues(matrix[:3, :3])[0][:, 0]
    angle = np.linalg.norm(turn)
    xyz = np.sin(angle / 2) * turn / max(angle, 1e-12)
    transform = types['geometry_msgs/msg/Transform'](
        translation=types['geometry_msgs/msg/Vector3'](*matrix[:3, 3]),
        rotation=types['geometry_msgs/msg/Quaternion'](*xyz, np.cos(angle / 2)),
    )
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id=parent, **head)
    return types['geometry_msgs/msg/TransformStamped'](header, child, transform)


def _cloud(types: Any, header: Any, points: np.ndarray, extra: dict[str, Any]) -> Any:
    """A cloud as most LiDARs publish it: one row of x, y, z, intensity."""
    data = np.zeros((len(points), 4), np.float32)
    data[:, :3] = points
    field = types['sensor_msgs/msg/PointField']
    names = ('x', 'y', 'z', 'intensity')
    values = {
        'height': 1,
        'width': len(points),
        'fields': [field(name, 4 * i, 7, 1) for i, name in enumerate(names)],
        'is_bigendian': False,
        'point_step': 16,
        'row_step': 16 * len(points),
        'data': data.view(np.uint8).reshape(-1),
        'is_dense': True,
    }
    return types['sensor_msgs/msg/PointCloud2'](header=header, **(values | extra))


def _compressed(item: Item) -> tuple[str, bytes]:
    if item.kind == 'bytes':
        return 'jpeg', item.content
    if item.kind == 'jpeg':
        return 'rgb8; jpeg compressed bgr8', _encode('.jpg', item.content[..., ::-1])
    if item.kind == 'png' and item.content.ndim == 3:
        return 'png', _encode('.png', item.content[..., ::-1])
    if item.kind == 'png':
        return '16UC1; png compressed', _encode('.png', item.content)
    header = struct.pack('<iff', 0, 0.0, 0.0)
    return '16UC1; compressedDepth png', header + _encode('.png', item.content)


def _encode(suffix: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def _info(types: Any, header: Any, camera: Camera, ros1: bool, extra: dict[str, Any]) -> Any:
    k = camera.matrix
    values = {
        'd': np.array(camera.distortion, np.float64),
        'k': k.reshape(-1),
        'r': np.eye(3).reshape(-1),
        'p': np.hstack([k, np.zeros((3, 1))]).reshape(-1),
    }
    values |= extra
    if ros1:
        values = {name.upper(): value for name, value in values.items()}
    return types['sensor_msgs/msg/CameraInfo'](
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model=camera.distortion_model or 'plumb_bob',
        binning_x=0,
        binning_y=0,
        roi=types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False),
        **values,
    )
