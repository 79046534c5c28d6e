# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judging depth that another node recorded, on the bag of its images."""

import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest
from bag_factory import CAMERA, DEPTH, IMAGE, INFO, KINDS, T0, frames, storage_file, write_bag
from oracle_model import write_oracle
from recorded_factory import PICTURE, RAMP, THEIRS, estimates, failure, judged, recording

from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.reader import BagReader
from dmd_ros.eval.bags.recorded import RecordedDepth

BARREL = replace(CAMERA, distortion=(-0.4, 0.1, 0.0, 0.0, 0.0), distortion_model='plumb_bob')


def of_their_topic(folder, items, *options):
    bag = write_bag(folder / 'bag', items)
    return judged(bag, folder / 'out', '--estimate-topic', THEIRS, *options)


@pytest.mark.parametrize('kind', KINDS)
def test_estimates_are_read_from_every_kind_of_bag(tmp_path, kind):
    bag = write_bag(tmp_path / 'bag', recording())
    theirs = write_bag(tmp_path / 'theirs', estimates(*[2 * RAMP] * 3), kind)
    found = judged(bag, tmp_path / 'out', '--estimates', str(theirs))
    assert found['total']['score']['abs_rel'] == pytest.approx(1.0)
    assert found['total']['scaled']['abs_rel'] == pytest.approx(0.0, abs=1e-6)
    assert found['total']['median_scale'] == 0.5


def test_estimates_of_skipped_images_are_not_kept_in_memory(tmp_path):
    """With a stride of 1000, a VGA recording would take a gigabyte."""
    large = np.kron(RAMP, np.ones((4, 4), np.float32))  # of another size than the pictures
    bag = write_bag(tmp_path / 'bag', [*recording(61), *estimates(*[large] * 61)])
    with Bag(bag) as opened, Bag(bag) as theirs:
        reader = BagReader(opened, topics.choose(opened, estimate=THEIRS), stride=60)
        source = RecordedDepth(theirs, THEIRS, reader, (0.1, 80.0))
        first, last = reader
        source(first)
        tracemalloc.start()
        np.testing.assert_array_equal(source(last).depth, RAMP)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 30 * large.nbytes  # a chunk of the file has several


@pytest.mark.parametrize(
    ('kind', 'content'),
    [
        ('depth32', np.where(RAMP > 3, np.float32(np.nan), RAMP)),
        ('depth32', np.where(RAMP > 3, np.float32(0), RAMP)),
        ('depth16', np.where(RAMP > 3, 0, np.rint(1000 * RAMP)).astype(np.uint16)),
        ('png', np.where(RAMP > 3, 0, np.rint(1000 * RAMP)).astype(np.uint16)),
        ('compressed_depth', np.where(RAMP > 3, 0, np.rint(1000 * RAMP)).astype(np.uint16)),
    ],
)
def test_missing_depth_lowers_coverage_and_not_accuracy(tmp_path, kind, content):
    score = of_their_topic(tmp_path, [*recording(1), *estimates(content, kind=kind)])['total'][
        'score'
    ]
    assert score['coverage'] == pytest.approx(np.mean(RAMP <= 3))
    assert score['abs_rel'] < 1e-3


def test_infinities_are_judged_as_the_ends_of_the_given_range(tmp_path):
    ends = RAMP.copy()
    ends[:, :16], ends[:, 48:] = -np.inf, np.inf
    items = [*recording(2), *estimates(ends, RAMP)]
    said = of_their_topic(tmp_path / 'said', items, '--estimate-range', '0.5', '20')
    expected = np.where(np.isposinf(ends), 20.0, np.where(np.isneginf(ends), 0.5, ends))
    error = np.mean(np.abs(expected - RAMP) / RAMP)
    assert said['frames'][0]['verdict']['score']['abs_rel'] == pytest.approx(error, rel=1e-5)
    assert said['frames'][0]['verdict']['score']['coverage'] == 1.0
    assert said['settings']['estimate_range_m'] == [0.5, 20.0] and said['warnings'] == []
    # By default, the range is that of the truth, with a warning.
    guessed = of_their_topic(tmp_path / 'guessed', items, '--max-depth', '10')
    expected = np.where(np.isposinf(ends), 10.0, np.where(np.isneginf(ends), 1e-3, ends))
    error = np.mean(np.abs(expected - RAMP) / RAMP)
    assert guessed['frames'][0]['verdict']['score']['abs_rel'] == pytest.approx(error, rel=1e-5)
    (warning,) = guessed['warnings']
    assert warning.startswith(
        '1 of 2 images: the estimate has infinities, judged as 0.001 and 10 m'
    )


@pytest.mark.parametrize('unit', [1.0, 1000.0, 0.1])
def test_infinities_are_as_far_in_any_unit(tmp_path, unit):
    """A network that knows no metres has infinities where its inverse depth is 0."""
    ends = unit * RAMP
    ends[:, :8], ends[:, 48:] = -np.inf, np.inf
    found = of_their_topic(tmp_path, [*recording(1), *estimates(ends)], '--max-depth', '10')
    expected = np.where(np.isposinf(ends), 10.0, np.where(np.isneginf(ends), 1e-3, RAMP))
    verdict = found['frames'][0]['verdict']
    assert verdict['median_scale'] == pytest.approx(1 / unit)
    assert verdict['scaled']['abs_rel'] == pytest.approx(np.mean(np.abs(expected / RAMP - 1)))
    assert verdict['correlation'] == pytest.approx(1.0)


def test_inverse_depth_gives_a_warning(tmp_path):
    """Some models call it depth."""
    found = of_their_topic(tmp_path, [*recording(3), *estimates(1 / RAMP, 5 / RAMP, RAMP)])
    (warning,) = found['warnings']
    assert warning.startswith('in 2 of 3 judged frames the estimate falls where the truth rises')
    correlations = [f['verdict']['correlation'] for f in found['frames']]
    assert correlations == pytest.approx([-1.0, -1.0, 1.0])


def test_infinite_estimates_have_a_finite_error(tmp_path):
    near = np.full_like(RAMP, -np.inf)
    found = of_their_topic(tmp_path, [*recording(1), *estimates(near)], '--min-depth', '0')
    assert found['total']['score']['rmse_log'] == pytest.approx(
        np.sqrt(np.mean(np.log(1e3 * RAMP) ** 2)), rel=1e-5
    )


@pytest.mark.parametrize('factor', [0.5, 2.0])
def test_estimates_of_another_size_are_looked_up_by_the_nearest_pixel(tmp_path, factor):
    blocks = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((16, 16))).astype(np.float32)
    size = (int(64 * factor), int(48 * factor))
    theirs = cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST)
    items = [*frames([PICTURE], [blocks]), *estimates(theirs)]
    found = of_their_topic(tmp_path, items)
    assert found['total']['score']['abs_rel'] == 0.0
    assert found['total']['score']['pixels'] == 48 * 64


def test_images_that_cannot_be_judged_are_counted_by_reason(tmp_path, capsys):
    maps = [RAMP, np.ascontiguousarray(RAMP[:24]), RAMP[:, :1], RAMP]
    items = [*recording(5), *estimates(*maps)]
    theirs = [i for i in items if i.topic == THEIRS]
    theirs[2].content, theirs[2].kind = PICTURE, 'image'
    found = of_their_topic(tmp_path, items)
    assert [f['index'] for f in found['frames']] == [0, 3]
    assert found['total']['score']['abs_rel'] == 0.0
    aspect, encoding, missing = sorted(found['images_skipped'], key=lambda r: 'aspect' not in r)
    assert aspect == (
        'the estimate is 64x24, the image 64x48: their aspect ratios differ, so they show '
        'different fields of view'
    )
    assert {encoding.partition(':')[0], missing.partition(':')[0]} == {
        'its estimate cannot be read', f'no estimate on {THEIRS} is stamped within 0.02 s of it'
    }  # fmt: skip
    assert '| skipped ' in capsys.readouterr().out


def test_the_error_has_the_reasons_if_no_image_can_be_judged(tmp_path, capsys):
    coloured = estimates(PICTURE, kind='image')
    bag = write_bag(tmp_path / 'bag', [*recording(1), *coloured])
    argv = [bag, '--out', tmp_path / 'out', '--estimate-topic', THEIRS]
    assert "its estimate cannot be read: depth encoding 'rgb8'; allowed: 16UC1" in failure(
        argv, capsys
    )


def test_stamps_are_paired_within_the_tolerance(tmp_path):
    """With new stamps from a slow node, the image of an estimate is a guess."""
    late = [replace(i, stamp_ns=i.stamp_ns + 30_000_000) for i in estimates(RAMP, RAMP)]
    found = of_their_topic(tmp_path, [*recording(3), *late], '--depth-tolerance', '0.04')
    assert found['images_evaluated'] == 2
    (warning,) = found['warnings']
    assert warning.startswith(f'2 of 2 estimates on {THEIRS} do not carry the stamp of an image')
    assert 'nearest, up to 0.03 s away' in warning


def test_estimates_come_in_any_order_of_recording(tmp_path):
    """Estimates of a slow node may be recorded long after their images, or even before them."""
    maps = [RAMP * (1 + i) for i in range(4)]
    theirs = [replace(e, logged_ns=T0 + i) for i, e in enumerate(reversed(estimates(*maps)))]
    found = of_their_topic(tmp_path, [*theirs, *recording(4)])
    scales = [f['verdict']['median_scale'] for f in found['frames']]
    assert scales == pytest.approx([1.0, 1 / 2, 1 / 3, 1 / 4])


def test_every_other_image_is_judged_on_its_own_estimate(tmp_path):
    maps = [RAMP * (1 + i) for i in range(5)]
    found = of_their_topic(tmp_path, [*recording(5), *estimates(*maps)], '--stride', '2')
    scales = [f['verdict']['median_scale'] for f in found['frames']]
    assert scales == pytest.approx([1.0, 1 / 3, 1 / 5])


def test_an_image_does_not_take_the_estimate_of_one_that_was_not_chosen(tmp_path, capsys):
    odd = [e for i, e in enumerate(estimates(*[RAMP] * 4)) if i % 2]
    bag = write_bag(tmp_path / 'bag', [*recording(4), *odd])
    options = ('--estimate-topic', THEIRS, '--stride', '2', '--depth-tolerance', '0.15')
    error = failure([bag, '--out', tmp_path / 'out', *options], capsys)
    assert f'could be used: 2 x no estimate on {THEIRS}' in error


def test_a_looped_recording_is_paired_in_its_order_with_a_warning(tmp_path):
    one = [*recording(2), *estimates(RAMP, 2 * RAMP)]
    two = [*recording(2), *estimates(3 * RAMP, 4 * RAMP)]
    looped = [replace(i, logged_ns=i.stamp_ns) for i in one]
    looped += [replace(i, logged_ns=i.stamp_ns + 10**10) for i in two]
    found = of_their_topic(tmp_path, looped)
    scales = [f['verdict']['median_scale'] for f in found['frames']]
    assert scales == pytest.approx([1.0, 1 / 2, 1 / 3, 1 / 4])
    assert any(f'estimates on {THEIRS} are paired in the order' in w for w in found['warnings'])
    assert found['frames'][2]['flicker'] is None


def test_compressed_copies_of_the_estimates_are_not_ground_truth(tmp_path):
    copies = [
        replace(i, topic=f'{THEIRS}/compressedDepth', kind='compressed_depth',
                content=np.rint(1000 * i.content).astype(np.uint16))
        for i in estimates(2 * RAMP)
    ]  # fmt: skip
    items = [*recording(1), *estimates(2 * RAMP), *copies]
    for topic in (THEIRS, f'{THEIRS}/compressedDepth'):
        folder = tmp_path / topic.replace('/', '_')
        bag = write_bag(folder / 'bag', items)
        found = judged(bag, folder / 'out', '--estimate-topic', topic)
        assert found['topics']['depth'] == DEPTH
        assert found['total']['score']['abs_rel'] == pytest.approx(1.0, rel=1e-3)


def test_without_ground_truth_there_is_a_warning(tmp_path, capsys):
    bare = [i for i in recording(2) if i.topic != DEPTH]
    found = of_their_topic(tmp_path, [*bare, *estimates(RAMP, RAMP)])
    assert found['total'] is None and found['frames'][0]['median_m'] > 0
    assert 'the only depth topic is that of the estimates' in capsys.readouterr().err


def barrel(info=None):
    """Return a recording with distortion, whose estimates are the truth on the raw grid."""
    items = [*recording(2, BARREL), *estimates(RAMP, RAMP)]
    if info is not None:
        items += [
            replace(i, topic='/theirs/camera_info', content=info) for i in items if i.topic == INFO
        ]
    return items


@pytest.mark.parametrize('info', [None, BARREL])
def test_depth_of_a_distorted_image_is_on_the_distorted_grid(tmp_path, info):
    found = of_their_topic(tmp_path, barrel(info))
    assert found['total']['score']['abs_rel'] == 0.0
    assert found['total']['score']['coverage'] == 1.0  # up to the corners
    assert found['settings']['estimate_rectified'] is False and found['warnings'] == []
    cloud = cv2.imread(str(tmp_path / 'out' / 'cloud.png'))
    assert len(np.unique(cloud.reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize(
    ('info', 'options'), [(CAMERA, ()), (None, ('--estimate-rectified', 'true'))]
)
def test_rectified_depth_is_sampled_through_the_lens(tmp_path, info, options):
    found = of_their_topic(tmp_path, barrel(info), *options)
    assert found['settings']['estimate_rectified'] is True and found['warnings'] == []
    assert 0.005 < found['total']['score']['abs_rel'] < 0.2  # it is in fact on the raw grid
    model = str(write_oracle(tmp_path / 'm.onnx'))
    items = recording(2, BARREL)
    bag = write_bag(tmp_path / 'bare', items)
    direct = judged(bag, tmp_path / 'model', '--model', model)
    again = judged(bag, tmp_path / 'again', '--estimates', str(tmp_path / 'model' / 'depth'))
    assert (again['frames'], again['flicker']) == (direct['frames'], direct['flicker'])


def test_estimates_of_another_view_give_warnings(tmp_path):
    zoomed = replace(CAMERA, fx=80.0, fy=80.0)
    items = [*recording(2), *estimates(RAMP, RAMP, frame_id='left')]
    items += [
        replace(i, topic='/theirs/camera_info', content=zoomed) for i in items if i.topic == INFO
    ]
    frame, camera = of_their_topic(tmp_path, items)['warnings']
    assert frame.startswith(f"estimates on {THEIRS} are in frame 'left', the images in 'camera'")
    assert camera.startswith(f'the camera_info beside {THEIRS} has fx = 80, cx = 31.5 at the size')


def test_an_uncalibrated_camera_info_is_not_used(tmp_path):
    items = [*recording(1), *estimates(RAMP)]
    uncalibrated = {'k': np.zeros(9), 'p': np.zeros(12)}
    items += [
        replace(i, topic='/theirs/camera_info', extra=uncalibrated)
        for i in items
        if i.topic == INFO
    ]
    found = of_their_topic(tmp_path, items)
    assert found['total']['score']['abs_rel'] == 0.0
    assert found['warnings'][0].startswith(f'the camera_info beside {THEIRS} is not used: ')


def test_a_cut_bag_of_estimates_is_judged_as_far_as_it_goes(tmp_path):
    bag = write_bag(tmp_path / 'bag', recording(5))
    theirs = write_bag(tmp_path / 'theirs', estimates(*[RAMP] * 5))
    file = storage_file(theirs)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * 0.6)])
    found = judged(bag, tmp_path / 'out', '--estimates', str(theirs))
    assert 0 < found['images_evaluated'] < 5
    assert found['images_evaluated'] + sum(found['images_skipped'].values()) == 5
    assert any('read as far as it goes' in warning for warning in found['warnings'])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--estimate-topic', '/none'), 'has no topic /none; it has: /camera/image_raw'),
        (('--estimate-topic', INFO), 'is of type sensor_msgs/msg/CameraInfo'),
        (('--estimate-topic', IMAGE), f'{IMAGE} is the only image topic of bag'),
        (('--estimate-topic', IMAGE, '--image-topic', IMAGE), 'both estimate and image'),
        (('--estimate-topic', DEPTH, '--depth-topic', DEPTH), 'both estimate and ground truth'),
        (('--estimate-topic', THEIRS, '--model', 'm.onnx'), '--model: for a model, and none'),
        (
            ('--estimate-topic', THEIRS, '--steps', '2', '--temporal', 'blend'),
            '--steps, --temporal: for a model',
        ),
        (('--estimate-topic', THEIRS, '--estimate-range', '5', '2'), 'must be 0 < NEAR < FAR'),
        (('--estimate-topic', THEIRS, '--estimate-range', '0', '2'), 'must be 0 < NEAR < FAR'),
        (('--estimate-topic', THEIRS, '--estimate-range', '1', 'inf'), 'must be 0 < NEAR < FAR'),
        (('--estimate-range', '1', '2'), '--estimate-range: for existing estimates'),
        (('--estimate-rectified', 'true'), '--estimate-rectified: for existing estimates'),
        (('--estimates', 'nowhere', '--depth-topic', DEPTH), 'bag nowhere does not exist'),
        (('--estimates', 'BAG'), 'is the bag itself'),
        (('--estimate-topic', THEIRS, '--depth-tolerance', '0'), '(the nearest is 1e-06 s away)'),
    ],
)  # fmt: skip
def test_bad_options_are_one_line(tmp_path, options, message, capsys):
    late = [replace(i, stamp_ns=i.stamp_ns + 1000) for i in estimates(RAMP, RAMP)]
    bag = write_bag(tmp_path / 'bag', [*recording(2), *late])
    options = [bag if option == 'BAG' else option for option in options]
    assert message in failure([bag, '--out', tmp_path / 'out', *options], capsys)
    assert not (tmp_path / 'out').exists()


def test_a_bag_with_several_depth_topics_needs_a_choice(tmp_path, capsys):
    bag = write_bag(tmp_path / 'bag', recording(1))
    two = [*estimates(RAMP), *(replace(i, topic='/other/depth') for i in estimates(RAMP))]
    theirs = write_bag(tmp_path / 'theirs', two)
    argv = [bag, '--out', tmp_path / 'out', '--estimates', theirs]
    assert f'choose one with --estimate-topic: {THEIRS}, /other/depth' in failure(argv, capsys)
    found = judged(bag, tmp_path / 'out', '--estimates', str(theirs), '--estimate-topic', THEIRS)
    assert found['total']['score']['abs_rel'] == 0.0
