# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading videos: choice of frames, times, orientation, and files that are not videos."""

import math
import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from video_factory import turn, widen, write_video

from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.video_file import VideoFile

LEVELS = [40 + 5 * i for i in range(20)]


def grey(level, height=48, width=64):
    return np.full((height, width, 3), level, np.uint8)


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp('video') / 'a.mkv', [grey(n) for n in LEVELS])


def indices(path, *chosen):
    return [frame.index for frame in VideoFile(path).frames(*chosen)]


@pytest.mark.parametrize('ending', ['mkv', 'avi', 'mp4'])
def test_every_frame_has_its_time(tmp_path, ending):
    path = write_video(tmp_path / f'a.{ending}', [grey(n) for n in LEVELS], fps=12.5)
    read = VideoFile(path)
    assert (read.fps, read.told, read.turned) == (12.5, 20, 0)
    frames = list(read.frames())
    assert [f.index for f in frames] == list(range(20))
    assert [f.stamp_ns for f in frames] == [80_000_000 * i for i in range(20)]
    np.testing.assert_allclose([f.rgb.mean() for f in frames], LEVELS, atol=4)
    assert (read.read, read.at_end, read.trouble()) == (20, True, '')


def test_colours_are_in_the_order_of_rgb(tmp_path):
    picture = grey(0)
    picture[..., 0] = 200
    (frame,) = VideoFile(write_video(tmp_path / 'a.mkv', [picture])).frames()
    np.testing.assert_allclose(frame.rgb.mean((0, 1)), [200, 0, 0], atol=3)


@pytest.mark.parametrize(
    ('chosen', 'wanted'),
    [
        ((0.5,), range(5, 20)),
        ((0.0, 0.5), range(5)),
        ((0.45, 0.75), range(5, 8)),
        ((0.0, math.inf, 7), [0, 7, 14]),
        ((0.3, 1.5, 4), [3, 7, 11]),
        ((0.3, math.inf, 4, 2), [3, 7]),
        ((0.0, math.inf, 1, 1), [0]),
        ((3.0,), []),
    ],
)
def test_frames_are_chosen_by_time_stride_and_count(video, chosen, wanted):
    assert indices(video, *chosen) == list(wanted)
    assert VideoFile(video).expected(*chosen) == len(wanted)


def test_a_video_is_read_no_further_than_needed(video):
    read = VideoFile(video)
    assert len(list(read.frames(0.0, math.inf, 2, 3))) == 3
    assert (read.read, read.at_end, read.trouble()) == (5, False, '')


@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_a_video_is_turned_by_its_metadata(tmp_path, degrees):
    picture = grey(40)
    picture[:24, :32] = 200  # top left
    path = turn(write_video(tmp_path / 'a.mp4', [picture] * 3), degrees)
    read = VideoFile(path)
    assert read.turned == degrees
    wanted = np.rot90(picture, -degrees // 90)
    for frame in read.frames():
        assert frame.rgb.shape == wanted.shape
        assert np.abs(frame.rgb.astype(int) - wanted).mean() < 8


@pytest.mark.parametrize(
    ('pixel', 'degrees', 'widened', 'shape'),
    [
        ((4, 3), 0, 4 / 3, (48, 85)),
        ((1, 2), 0, 0.5, (48, 32)),
        ((2, 1), 180, 2.0, (48, 128)),
        ((2, 1), 90, 0.5, (64, 24)),  # upright, they are half as wide as high
        ((1, 2), 270, 2.0, (64, 96)),
    ],
)
def test_pixels_that_are_not_square_become_so(tmp_path, pixel, degrees, widened, shape):
    """For example, camcorders: 1440x1080, shown as 1920x1080. Cameras here have square pixels."""
    picture = grey(40)
    picture[:24, :32] = 200  # top left
    path = widen(write_video(tmp_path / 'a.mp4', [picture] * 3), *pixel)
    read = VideoFile(turn(path, degrees) if degrees else path)
    assert (read.turned, read.widened) == (degrees, widened)
    wanted = cv2.resize(np.rot90(picture, -degrees // 90), shape[::-1])
    for frame in read.frames():
        assert frame.rgb.shape == (*shape, 3)
        assert np.abs(frame.rgb.astype(int) - wanted).mean() < 8
    stored = VideoFile(path, square=False)
    assert stored.widened == 1.0
    assert next(stored.frames()).rgb.shape == np.rot90(picture, -degrees // 90).shape


@pytest.mark.parametrize(
    'pixel',
    [(9, 1), (1, 9), (0, 1), (110, 109)],  # nonsense, or a rounding error
)
def test_an_invalid_or_nearly_square_shape_of_pixels_is_ignored(tmp_path, pixel):
    path = widen(write_video(tmp_path / 'a.mp4', [grey(40)] * 3), *pixel)
    read = VideoFile(path)
    assert read.widened == 1.0 and next(read.frames()).rgb.shape == (48, 64, 3)


def test_the_frame_rate_may_be_given(video):
    read = VideoFile(video, fps=4.0)
    assert [f.stamp_ns for f in read.frames(0.0, 1.0)] == [
        0,
        250_000_000,
        500_000_000,
        750_000_000,
    ]


def test_a_stream_without_length_and_times(tmp_path):
    pictures = [cv2.imencode('.jpg', grey(level))[1].tobytes() for level in LEVELS[:4]]
    (tmp_path / 'a.mjpeg').write_bytes(b''.join(pictures))
    read = VideoFile(tmp_path / 'a.mjpeg')
    assert (read.told, read.expected(0.0, math.inf, 1, 0)) == (None, None)
    stamps = [frame.stamp_ns for frame in read.frames()]
    assert stamps == [round(i * 1e9 / read.fps) for i in range(4)] and read.trouble() == ''


def test_an_incomplete_video_is_read_to_its_end_with_a_warning(tmp_path, video, capfd):
    data = video.read_bytes()
    (tmp_path / 'cut.mkv').write_bytes(data[: len(data) // 2])
    read = VideoFile(tmp_path / 'cut.mkv')
    found = list(read.frames())
    assert 3 < len(found) < 15
    assert read.trouble().startswith(f'{len(found)} frames were read, of 20 in the header')


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('text.mp4', b'no video\n' * 99, r'text\.mp4 cannot be read as a video \(moov atom not'),
        ('empty.avi', b'', r'empty\.avi cannot be read as a video'),
        ('a.PNG', b'', r'a\.PNG is a picture; use python -m dmd_ros\.eval\.pictures'),
    ],
)
def test_a_file_that_is_not_a_video_is_refused_in_one_line(
    tmp_path, name, content, message, capfd
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EvalError, match=message):
        VideoFile(tmp_path / name)
    assert capfd.readouterr().err == ''  # FFmpeg's error is part of ours


def test_a_video_without_its_index_is_refused(tmp_path):
    data = write_video(tmp_path / 'a.mp4', [grey(n) for n in LEVELS]).read_bytes()
    (tmp_path / 'a.mp4').write_bytes(data[: data.index(b'mdat') + 400])
    with pytest.raises(EvalError, match=r'a\.mp4 cannot be read as a video \(moov atom not found'):
        VideoFile(tmp_path / 'a.mp4')


def test_the_error_of_the_system_is_reported(tmp_path):
    missing = re.escape(f'{tmp_path / "none.mp4"} does not exist')
    with pytest.raises(EvalError, match=missing):
        VideoFile(tmp_path / 'none.mp4')
    (tmp_path / 'link.mp4').symlink_to('none.mp4')
    with pytest.raises(FileNotFoundError, match=r'link\.mp4'):
        VideoFile(tmp_path / 'link.mp4')
    with pytest.raises(IsADirectoryError):
        VideoFile(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / 'a.mp4')
    with pytest.raises(EvalError, match=r'a\.mp4 is a device or a pipe, .*; save it as one'):
        VideoFile(tmp_path / 'a.mp4')


@pytest.mark.parametrize('address', ['https://example.org/a.mp4', 'rtsp://camera/1'])
def test_an_address_is_refused(address):
    with pytest.raises(EvalError, match='is an address; download the video first'):
        VideoFile(Path(address))


@pytest.mark.parametrize('fps', [0.0, -3.0, 1e5, math.nan])
def test_an_implausible_frame_rate_is_refused(video, fps):
    with pytest.raises(EvalError, match=r'frames per second; allowed: 0\.1 to 480; give --fps'):
        VideoFile(video, fps)


def test_names_with_a_meaning_for_ffmpeg_are_read(tmp_path, video, monkeypatch):
    shutil.copy(video, tmp_path / 'file:%03d.mkv')
    monkeypatch.chdir(tmp_path)
    read = VideoFile(next(tmp_path.glob('*.mkv')).relative_to(tmp_path))
    assert len(list(read.frames())) == 20


def test_a_name_that_is_not_valid_text_is_refused(tmp_path, video):
    """OpenCV would end the process."""
    path = tmp_path / os.fsdecode(b'caf\xe9.mkv')
    shutil.copy(video, path)
    with pytest.raises(
        EvalError, match='name that is not valid text, which OpenCV cannot open; rename'
    ):
        VideoFile(path)
