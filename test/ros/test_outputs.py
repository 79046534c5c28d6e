# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published messages, received over DDS in another process."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from oracle_model import CONTRACT, grey_from_depth
from peers import FOCAL, HEIGHT, OUTPUTS, ROOT, WIDTH, depth_of, image_of, info_of, points_of
from sensor_msgs.msg import CompressedImage, Image

ALL = ('depth/image', 'depth/camera_info', 'points', 'depth/color')


@pytest.fixture(scope='module')
def robot(running):
    with running(peer={'listen': ALL}) as both:
        yield both


def ramp() -> np.ndarray:
    """Return depths from 1 m at the left to 8 m at the right."""
    return np.geomspace(1.0, 8.0, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)


def test_depth_is_metric_and_every_header_is_that_of_the_image(robot):
    image = image_of(grey_from_depth(ramp()), robot.peer.stamp(), 'camera_optical')
    out = robot.peer.ask(image, info_of(robot.peer._stamp, 'camera_optical'))
    # One grey level of the oracle is 2.6 %.
    np.testing.assert_allclose(depth_of(out.depth_image), ramp(), rtol=0.02)
    for message in vars(out).values():
        assert message.header == image.header
        assert not getattr(message, 'is_bigendian', False)
    assert (out.depth_image.height, out.depth_image.width) == (HEIGHT, WIDTH)
    assert (out.depth_image.encoding, out.depth_image.step) == ('32FC1', WIDTH * 4)


def test_nothing_else_is_published_least_of_all_a_transform(robot):
    """The pose of the camera is published by other nodes."""
    node = robot.peer.node
    # By topic: the node of a publisher is announced separately, or not at all.
    ours = {f'/{name}' for name in OUTPUTS} | {'/diagnostics'}
    others = {'/image', '/camera_info', '/rosout', '/parameter_events', '/dmd/transition_event'}

    def topics() -> set[str]:
        return {name for name, _ in node.get_topic_names_and_types()}

    assert robot.peer.until(lambda: topics() >= ours)
    assert topics() - others == ours


def test_camera_info_of_an_ideal_camera_is_its_own(robot):
    stamp = robot.peer.stamp()
    sent = info_of(stamp)
    out = robot.peer.ask(image_of(grey_from_depth(ramp()), stamp), sent)
    assert out.depth_camera_info == sent


def test_cloud_is_the_back_projection_of_our_own_depth_and_camera_info(robot):
    stamp = robot.peer.stamp()
    rgb = np.random.default_rng(5).integers(60, 200, (HEIGHT, WIDTH, 3), np.uint8)
    robot.peer.set_parameter('edge_filter', 0.0)
    out = robot.peer.ask(image_of(rgb, stamp), info_of(stamp))
    robot.peer.set_parameter('edge_filter', 0.15)
    cloud = points_of(out.points)
    # depth_image_proc/point_cloud_xyzrgb, using only the published messages.
    depth, k = depth_of(out.depth_image), out.depth_camera_info.k
    v, u = np.indices(depth.shape)
    np.testing.assert_allclose(cloud[..., 0], (u - k[2]) * depth / k[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cloud[..., 1], (v - k[5]) * depth / k[4], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(cloud[..., 2], depth)
    red, green, blue = (rgb[..., c].astype(np.uint32) for c in range(3))
    bits = np.ascontiguousarray(cloud[..., 3]).view(np.uint32)
    np.testing.assert_array_equal(bits, red << 16 | green << 8 | blue)


def test_cloud_layout_is_what_rviz_and_pcl_expect(robot):
    stamp = robot.peer.stamp()
    cloud = robot.peer.ask(image_of(grey_from_depth(ramp()), stamp), info_of(stamp)).points
    assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
        ('x', 0, 7, 1), ('y', 4, 7, 1), ('z', 8, 7, 1), ('rgb', 12, 7, 1)
    ]  # fmt: skip
    assert (cloud.height, cloud.width) == (HEIGHT, WIDTH)
    assert (cloud.point_step, cloud.row_step) == (16, WIDTH * 16)
    assert len(cloud.data) == HEIGHT * WIDTH * 16
    assert cloud.is_dense is False


def test_sky_is_inf_too_close_is_minus_inf_and_neither_is_a_point(robot):
    """Comparable nodes fill the sky with invented depth; zero would be a valid depth."""
    depth = np.full((HEIGHT, WIDTH), 3.0, np.float32)
    depth[:16], depth[-16:] = np.inf, -np.inf
    stamp = robot.peer.stamp()
    out = robot.peer.ask(image_of(grey_from_depth(depth), stamp), info_of(stamp))
    got = depth_of(out.depth_image)
    assert np.isposinf(got[:14]).all()
    assert np.isneginf(got[-14:]).all()
    assert np.isfinite(got[18:-18]).all()
    assert not (got == 0).any()
    cloud = points_of(out.points)[..., :3]
    assert np.isnan(cloud[:14]).all() and np.isnan(cloud[-14:]).all()
    assert np.isfinite(cloud[20:-20]).all()


def test_range_limits_take_effect_with_the_next_frame(robot):
    """Comparable nodes accept parameters and ignore them."""
    peer = robot.peer
    for name, value in (('min_depth', 2.0), ('max_depth', 4.0), ('edge_filter', 0.0)):
        assert peer.set_parameter(name, value).successful
    stamp = peer.stamp()
    out = peer.ask(image_of(grey_from_depth(ramp()), stamp), info_of(stamp))
    for name, value in (('min_depth', 0.0), ('max_depth', 1000.0), ('edge_filter', 0.15)):
        assert peer.set_parameter(name, value).successful
    got = depth_of(out.depth_image)
    assert np.isneginf(got[:, :20]).all() and np.isposinf(got[:, -20:]).all()
    finite = got[np.isfinite(got)]
    assert finite.size and finite.min() >= 2.0 and finite.max() <= 4.0
    np.testing.assert_array_equal(np.isfinite(points_of(out.points)[..., 2]), np.isfinite(got))


def test_depth_scale_is_a_factor_on_depth_and_cloud_within_the_limits(robot):
    peer = robot.peer
    depth = ramp()
    depth[:16], depth[-16:] = np.inf, -np.inf
    outs = {}
    for scale in (1.25, 1.0):
        for name, value in (('depth_scale', scale), ('max_depth', 4.0)):
            assert peer.set_parameter(name, value).successful
        stamp = peer.stamp()
        outs[scale] = peer.ask(image_of(grey_from_depth(depth), stamp), info_of(stamp))
    assert peer.set_parameter('max_depth', 1000.0).successful
    scaled, plain = (depth_of(outs[scale].depth_image) for scale in (1.25, 1.0))
    for limit in (np.isposinf, np.isneginf):
        assert limit(scaled[limit(plain)]).all()
    both = np.isfinite(scaled)
    np.testing.assert_allclose(scaled[both], np.float32(1.25) * plain[both], rtol=1e-6)
    # Depth that the scale moves beyond the limit is beyond the range.
    np.testing.assert_array_equal(both, np.isfinite(plain) & (1.25 * plain <= 4.0))
    cloud = points_of(outs[1.25].points)[..., 2]
    kept = np.isfinite(cloud)
    assert kept.sum() > both.sum() / 2
    np.testing.assert_array_equal(cloud[kept], scaled[kept])


def test_depth_of_a_camera_on_its_side_is_on_its_own_pixels(running):
    with running(image_rotation=90, peer={'listen': ALL}) as robot:
        stamp = robot.peer.stamp()
        sent = info_of(stamp)
        out = robot.peer.ask(image_of(grey_from_depth(ramp()), stamp), sent)
        refused = robot.peer.set_parameter('image_rotation', 180)
    np.testing.assert_allclose(depth_of(out.depth_image), ramp(), rtol=0.03)
    assert out.depth_camera_info == sent
    assert not refused.successful


def test_stride_and_cloud_range_thin_the_cloud_and_leave_the_depth_alone(robot):
    peer = robot.peer
    for name, value in (('cloud_stride', 3), ('cloud_max_range', 4.0)):
        assert peer.set_parameter(name, value).successful
    stamp = peer.stamp()
    out = peer.ask(image_of(grey_from_depth(ramp()), stamp), info_of(stamp))
    for name, value in (('cloud_stride', 1), ('cloud_max_range', 1000.0)):
        assert peer.set_parameter(name, value).successful
    depth, cloud = depth_of(out.depth_image), points_of(out.points)
    assert depth.shape == (HEIGHT, WIDTH) and np.isfinite(depth).all()
    assert cloud.shape[:2] == (16, 22)
    expected = np.where(depth[::3, ::3] <= 4.0, depth[::3, ::3], np.nan)
    np.testing.assert_array_equal(cloud[..., 2], expected)
    np.testing.assert_allclose(
        cloud[..., 0], (np.arange(0, WIDTH, 3) - 31.0) * expected / FOCAL, rtol=1e-5, atol=1e-6
    )


def test_parameters_documented_to_send_less_make_the_cloud_smaller(robot):
    """An organised cloud keeps its size, however few points are left in it."""
    page = (ROOT / 'docs' / 'dds.md').read_text(encoding='utf-8')
    sentence = re.search('Send less: ([^;]*);', page)
    changes = {'cloud_stride': (2, 1), 'cloud_max_range': (0.5, 1000.0)}
    named = re.findall(r'`(cloud_\w+)`', sentence[1])
    full = len(robot.peer.ask_grey('points').points.data)
    for name in named:
        value, usual = changes[name]
        assert robot.peer.set_parameter(name, value).successful
        size = len(robot.peer.ask_grey('points').points.data)
        assert robot.peer.set_parameter(name, usual).successful
        assert size < full, name
    assert named


def test_no_phantom_points_at_an_edge(robot):
    """Bicubic up-sampling would overshoot, and create points in the air behind each edge."""
    peer = robot.peer
    depth = np.full((HEIGHT * 4, WIDTH * 4), 2.0, np.float32)
    depth[:, WIDTH * 2 :] = 8.0
    stamp = peer.stamp()
    info = info_of(stamp, width=WIDTH * 4, height=HEIGHT * 4)
    info.k = [200.0, 0.0, 127.5, 0.0, 200.0, 95.5, 0.0, 0.0, 1.0]
    out = peer.ask(image_of(grey_from_depth(depth), stamp), info)
    got = depth_of(out.depth_image)
    near, far = got[0, 0], got[0, -1]
    assert got.min() >= near and got.max() <= far  # no overshoot
    z = points_of(out.points)[..., 2]
    hanging = np.isfinite(z) & (z > near * 1.1) & (z < far / 1.1)
    assert not hanging.any()
    assert np.isfinite(z[:, : WIDTH * 2 - 8]).all() and np.isfinite(z[:, WIDTH * 2 + 8 :]).all()
    # The depth image keeps its edge pixels by default.
    assert np.isfinite(got).all()
    assert peer.set_parameter('edge_filter_depth', True).successful
    stamp = peer.stamp()
    info.header.stamp = image_of(grey_from_depth(depth), stamp).header.stamp
    out = peer.ask(image_of(grey_from_depth(depth), stamp), info)
    assert peer.set_parameter('edge_filter_depth', False).successful
    np.testing.assert_array_equal(
        np.isnan(depth_of(out.depth_image)), np.isnan(points_of(out.points)[..., 2])
    )


def test_colours_mean_the_same_distance_in_every_frame(robot):
    """Comparable nodes scale colours, or even depth itself, per frame."""
    colours, depths = [], []
    for other in (1.5, 12.0):
        depth = np.full((HEIGHT, WIDTH), other, np.float32)
        depth[:, :32] = 3.0
        stamp = robot.peer.stamp()
        out = robot.peer.ask(image_of(grey_from_depth(depth), stamp), info_of(stamp))
        picture = np.frombuffer(out.depth_color.data, np.uint8).reshape(HEIGHT, WIDTH, 3)
        assert out.depth_color.encoding == 'rgb8'
        colours.append(picture[24, 10])
        depths.append(depth_of(out.depth_image)[24, 10])
    np.testing.assert_array_equal(*colours)
    assert depths[0] == depths[1] == pytest.approx(3.0, rel=0.02)


def test_roi_and_binning_are_folded_into_camera_info_and_cloud(robot):
    stamp = robot.peer.stamp()
    info = info_of(stamp, width=4 * WIDTH, height=4 * HEIGHT, binning_x=2, binning_y=2)
    info.k = [4 * FOCAL, 0.0, 140.0, 0.0, 4 * FOCAL, 90.0, 0.0, 0.0, 1.0]
    roi = info.roi
    roi.x_offset, roi.y_offset, roi.width, roi.height = 100, 50, 2 * WIDTH, 2 * HEIGHT
    out = robot.peer.ask(image_of(grey_from_depth(ramp()), stamp), info)
    got = out.depth_camera_info
    assert (got.width, got.height) == (WIDTH, HEIGHT)
    # First the offset (140 - 100, 90 - 50), then the binning.
    np.testing.assert_allclose(got.k, [2 * FOCAL, 0, 20, 0, 2 * FOCAL, 20, 0, 0, 1])
    np.testing.assert_allclose(got.p, [2 * FOCAL, 0, 20, 0, 0, 2 * FOCAL, 20, 0, 0, 0, 1, 0])
    assert (got.binning_x, got.binning_y) == (0, 0)
    assert (got.roi.x_offset, got.roi.y_offset, got.roi.width, got.roi.height) == (0, 0, 0, 0)
    cloud = points_of(out.points)
    assert abs(cloud[20, 20, 0]) < 1e-6 and abs(cloud[20, 20, 1]) < 1e-6


def test_distorted_camera_gives_a_rectified_camera_info(robot):
    stamp = robot.peer.stamp()
    info = info_of(stamp, d=[-0.2, 0.05, 0.001, -0.001, 0.0])
    info.r = [0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    out = robot.peer.ask(image_of(grey_from_depth(ramp()), stamp), info)
    got = out.depth_camera_info
    assert list(got.d) == [0.0] * 5 and got.distortion_model == 'plumb_bob'
    np.testing.assert_array_equal(np.reshape(got.r, (3, 3)), np.eye(3))
    np.testing.assert_array_equal(np.reshape(got.p, (3, 4))[:, :3], np.reshape(got.k, (3, 3)))
    np.testing.assert_array_equal(got.k, info.k)
    assert (depth_of(out.depth_image).shape) == (HEIGHT, WIDTH)


def test_a_changed_camera_info_is_used_at_once(robot):
    """Comparable nodes cache the first CameraInfo forever."""
    for focal in (FOCAL, 2 * FOCAL, FOCAL):
        stamp = robot.peer.stamp()
        info = info_of(stamp)
        info.k = [focal, 0.0, 31.0, 0.0, focal, 24.0, 0.0, 0.0, 1.0]
        out = robot.peer.ask(image_of(grey_from_depth(ramp()), stamp), info)
        assert out.depth_camera_info.k[0] == focal
        cloud = points_of(out.points)
        expected = (np.arange(WIDTH) - 31.0) * cloud[10, :, 2] / focal
        np.testing.assert_allclose(cloud[10, :, 0], expected, rtol=1e-5, atol=1e-6)


def test_a_scaled_stream_scales_the_camera(robot):
    stamp = robot.peer.stamp()
    info = info_of(stamp, width=2 * WIDTH, height=2 * HEIGHT)
    info.k = [2 * FOCAL, 0.0, 63.5, 0.0, 2 * FOCAL, 47.5, 0.0, 0.0, 1.0]
    out = robot.peer.ask(image_of(grey_from_depth(ramp()), stamp), info)
    # (63.5 + 0.5) / 2 - 0.5
    np.testing.assert_allclose(out.depth_camera_info.k, [FOCAL, 0, 31.5, 0, FOCAL, 23.5, 0, 0, 1])
    robot.node.wait_line('the intrinsics are scaled to it')


def test_millimetres_are_zero_wherever_there_is_no_depth(running, oracle, tmp_path):
    from oracle_model import write_oracle

    far = write_oracle(tmp_path / 'far.onnx', depth_max_m=200.0)
    depth = np.full((HEIGHT, WIDTH), 3.0, np.float32)
    depth[:, 20:40], depth[:, 40:50], depth[:, 50:] = 100.0, np.inf, -np.inf
    contract = type(CONTRACT)(**{**vars(CONTRACT), 'depth_max_m': 200.0})
    with running(model=far, depth_encoding='16UC1', peer={'listen': ('depth/image',)}) as robot:
        stamp = robot.peer.stamp()
        image = image_of(grey_from_depth(depth, contract), stamp)
        out = robot.peer.ask(image, info_of(stamp)).depth_image
    got = depth_of(out)
    assert (out.encoding, out.step) == ('16UC1', WIDTH * 2)
    assert abs(int(got[24, 5]) - 3000) < 100
    # 100 m would wrap to 34.464 m.
    assert not got[:, 22:38].any() and not got[:, 42:48].any() and not got[:, 52:].any()


def test_uncertainty_is_published_with_several_samples(running):
    listen = ('depth/image', 'depth/uncertainty')
    with running(samples=3, peer={'listen': listen}) as robot:
        stamp = robot.peer.stamp()
        out = robot.peer.ask(image_of(grey_from_depth(ramp()), stamp), info_of(stamp))
    spread = depth_of(out.depth_uncertainty)
    assert spread.shape == (HEIGHT, WIDTH)
    assert (spread >= 0).all() and (spread < 1e-3).all()  # the oracle's samples agree


def test_uncertainty_is_nan_wherever_the_depth_image_has_no_depth(running):
    listen = ('depth/image', 'depth/uncertainty')
    with running(samples=2, max_depth=4.0, min_depth=2.0, peer={'listen': listen}) as robot:
        stamp = robot.peer.stamp()
        out = robot.peer.ask(image_of(grey_from_depth(ramp()), stamp), info_of(stamp))
    depth, spread = depth_of(out.depth_image), depth_of(out.depth_uncertainty)
    assert np.isposinf(depth).any() and np.isneginf(depth).any() and np.isfinite(depth).any()
    np.testing.assert_array_equal(np.isnan(spread), ~np.isfinite(depth))


RAW = ({}, 'image:=/cam/image_rect_color', '/cam/image_rect_color')
COMPRESSED = (
    {'image_transport': 'compressed'},
    'image/compressed:=/cam/image_rect_color/compressed',
    '/cam/image_rect_color/compressed',
)


@pytest.mark.parametrize(('parameters', 'remap', 'topic'), [RAW, COMPRESSED])
def test_rectified_topic_name_means_p_and_no_distortion(running, parameters, remap, topic):
    """Comparable nodes use K of the raw camera for a rectified image."""
    kind = CompressedImage if parameters else Image
    options = {'image_topic': topic, 'image_type': kind}
    with running(remaps=(remap,), peer=options, **parameters) as robot:
        stamp = robot.peer.stamp()
        info = info_of(stamp, d=[-0.2, 0.05, 0.0, 0.0, 0.0])
        info.p = [60.0, 0.0, 30.0, -6.0, 0.0, 61.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        image = image_of(grey_from_depth(ramp()), stamp)
        if kind is CompressedImage:
            png = cv2.imencode('.png', grey_from_depth(ramp()))[1].tobytes()
            image = CompressedImage(format='png', data=png, header=image.header)
        out = robot.peer.ask(image, info)
    got = out.depth_camera_info
    np.testing.assert_allclose(got.k, [60, 0, 30, 0, 61, 20, 0, 0, 1])
    np.testing.assert_allclose(got.p, [60, 0, 30, 0, 0, 61, 20, 0, 0, 0, 1, 0])
    assert not any(got.d)
    assert np.isfinite(depth_of(out.depth_image)).all()  # nothing was rectified a second time
