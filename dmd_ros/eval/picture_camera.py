# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Determine the camera of a photograph: from a calibration, an option, EXIF or an estimate."""

from __future__ import annotations

import argparse
import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.camera_info import ASPECT_TOLERANCE, camera_from_info
from dmd_ros.core.errors import CoreError
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.picture_file import Exif, Picture
from dmd_ros.fov import CameraSource
from dmd_ros.loading import load_camera_source
from dmd_ros.runtime.shared_files import DEFAULT_FOV_MODEL

SOURCES = ('calibration', 'fixed', 'exif', 'estimate')
CALIBRATION, FIXED, EXIF, ESTIMATE = SOURCES
# The warning for results that depend on an estimate.
ESTIMATED = (
    'the field of view is estimated, and metres are no better than it; give --vfov, --focal-px '
    'or --calibration if you can'
)
# The source of the field of view without an option, for the help.
OTHERWISE = (
    'that of the EXIF tag FocalLengthIn35mmFilm in pictures that have it, without crop or digital '
    'zoom, and estimated by the field-of-view network in the others'
)
# A picture on 35 mm film, mm.
_FILM_MM = (36.0, 24.0)
# Above these, EXIF does not determine the field of view: digital zoom; ratio of the long to the
# short side (cameras: up to 21:9).
_MAX_ZOOM, _MAX_RATIO = 1.01, 2.4
# CameraInfo's field -> its keys in the YAML.
_FIELDS = {
    'width': ('image_width',),
    'height': ('image_height',),
    'k': ('camera_matrix', 'data'),
    'distortion_model': ('distortion_model',),
    'd': ('distortion_coefficients', 'data'),
}
_P = ('projection_matrix', 'data')
# Terms in errors about a CameraInfo -> those for a calibration file.
_WORDS = {
    'camera_info.k': 'camera_matrix',
    'camera_info.d': 'distortion_coefficients',
    'camera_info.p': 'projection_matrix',
    'fill in p, or set input_rectified to false': 'fill that in, or leave --rectified out',
    'or give the driver a camera_info_url; or set fov_source to estimate or fixed': (
        'or give --vfov or --estimate-fov'
    ),
    'matching camera_info (or fill in its roi)': 'calibration of such pictures',
    'camera_info describes': 'it describes',
}


@dataclass(frozen=True)
class KnownCamera:
    """The camera of a picture; source: one of `SOURCES`; why: the source in words."""

    camera: Camera
    source: str
    why: str


class PictureCameras:
    """Determines the camera of each picture from the options of `add_camera_options`."""

    def __init__(self, args: argparse.Namespace, fov_memory: int = 1) -> None:
        """Check the options; raises `EvalError`, `CoreError` or `BackendError`.

        fov_memory: number of pictures over which the median of estimates is taken.
        """
        self._args, self._fov_memory = args, fov_memory
        self._info = None if args.calibration is None else read_calibration(args.calibration)
        if self._info is None and args.rectified:
            raise EvalError('--rectified needs --calibration: give that, too')
        if self._info is not None:  # report a bad calibration before a model is loaded
            self._calibrated(self._info.width, self._info.height, '')
        given = (self._info, args.vfov, args.focal_px)
        if args.fov_model is not None and any(value is not None for value in given):
            raise EvalError('--fov-model is for pictures whose field of view is not given')
        self._fixed = None if args.vfov is None else load_camera_source('fixed', args.vfov)
        self._network: CameraSource | None = None
        if args.estimate_fov or args.fov_model is not None:
            self._load_network()

    def of(self, picture: Picture) -> KnownCamera:
        """Return the camera of one picture; raises `CoreError` if it cannot be determined."""
        height, width = picture.rgb.shape[:2]
        exif = picture.exif
        turned = f'EXIF turns or mirrors it (orientation {exif.orientation})'
        given = self.given(picture.rgb, '' if exif.orientation == 1 else turned)
        if given is not None:
            return given
        why_not = '' if self._args.estimate_fov else why_not_exif(exif, width, height)
        film = exif.focal_35mm
        if film is None or why_not or self._args.estimate_fov:
            return self.estimated(picture.rgb, why_not or '--estimate-fov')
        camera = Camera.assumed(tan_half_on_film(film, width, height), width, height)
        return KnownCamera(camera, EXIF, f'EXIF ({film:g} mm on 35 mm film)')

    def given(self, rgb: NDArray[np.uint8], turned: str = '') -> KnownCamera | None:
        """Return the camera of uint8 [H, W, 3] if the options determine it, else None.

        turned: how the picture was turned while reading, or ''. Raises `CoreError` if the
        calibration does not fit the picture.
        """
        height, width = rgb.shape[:2]
        if self._info is not None:
            camera = self._calibrated(width, height, turned)
            return KnownCamera(camera, CALIBRATION, str(self._args.calibration))
        if self._fixed is not None:
            return KnownCamera(self._fixed.camera(rgb), FIXED, '--vfov')
        if self._args.focal_px is not None:
            tan_half = height / (2.0 * self._args.focal_px)
            return KnownCamera(Camera.assumed(tan_half, width, height), FIXED, '--focal-px')
        return None

    def estimated(self, rgb: NDArray[np.uint8], why: str) -> KnownCamera:
        """Estimate the camera of uint8 [H, W, 3]; why: the reason, in words."""
        # Loaded with the first picture that needs it, unless an option requires it.
        network = self._network or self._load_network()
        return KnownCamera(network.camera(rgb), ESTIMATE, f'estimated ({why})')

    def close(self) -> None:
        """Release the network, if one was loaded."""
        if self._network is not None:
            self._network.close()

    def _calibrated(self, width: int, height: int, turned: str) -> Camera:
        if turned:
            raise CoreError(
                f'{turned}, and the orientation of {self._args.calibration} is unknown; save the '
                'picture as it is shown, without that tag, or give --vfov'
            )
        try:
            return camera_from_info(self._info, width, height, self._args.rectified)
        except (TypeError, ValueError, OverflowError) as error:  # CoreError among them
            reason = str(error)
            for theirs, ours in _WORDS.items():
                reason = reason.replace(theirs, ours)
            raise CoreError(f'{self._args.calibration}: {reason}') from None

    def _load_network(self) -> CameraSource:
        network = load_camera_source(
            'estimate', None, self._args.fov_model, self._fov_memory, self._args.image_rotation
        )
        assert network is not None
        self._network = network
        return network


def add_camera_options(parser: argparse.ArgumentParser, otherwise: str = OTHERWISE) -> None:
    """Add the options for the field of view; otherwise: its source without them, for the help."""
    group = parser.add_argument_group(
        'camera',
        'At most one of --vfov, --focal-px, --calibration and --estimate-fov. Without any, the '
        f'field of view is {otherwise}.',
    )
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        '--vfov', type=float, metavar='DEG', help='vertical field of view of the pictures as shown'
    )
    one.add_argument(
        '--focal-px', type=_focal, metavar='PX', help='focal length, pixels of the pictures'
    )
    one.add_argument(
        '--calibration',
        type=Path,
        metavar='YAML',
        help='file of ROS camera_calibration; it is scaled to pictures of another size',
    )
    one.add_argument(
        '--estimate-fov', action='store_true', help='estimate it by the network, even with EXIF'
    )
    group.add_argument(
        '--rectified',
        action='store_true',
        help="the pictures are rectified already: use the calibration's projection matrix",
    )
    group.add_argument(
        '--fov-model', help=f'network for the field of view (default: {DEFAULT_FOV_MODEL})'
    )


def tan_half_on_film(focal_mm: float, width: int, height: int) -> float:
    """Return tan(vfov / 2) of a picture whose lens is equivalent to focal_mm on 35 mm film.

    The equivalence is that of the diagonals, as in the camera makers' guideline (CIPA DCG-001). Of
    the usual definitions, only this one is independent of aspect ratio and orientation.
    """
    focal_px = focal_mm * math.hypot(width, height) / math.hypot(*_FILM_MM)
    return height / (2.0 * focal_px)


def why_not_exif(exif: Exif, width: int, height: int) -> str:
    """Return why EXIF does not determine the field of view of a picture of this size, or ''."""
    if exif.focal_35mm is None:
        return 'no FocalLengthIn35mmFilm in EXIF'
    if exif.zoom > _MAX_ZOOM:  # camera makers differ
        return f'digital zoom of {exif.zoom:.3g}, which the focal length may include or not'
    now = max(width, height) / min(width, height)
    if now > _MAX_RATIO:
        return f'{width}x{height} is a panorama or was cropped'
    if exif.size is None:
        return ''
    taken = max(exif.size) / min(exif.size)
    if abs(taken / now - 1.0) <= max(ASPECT_TOLERANCE, 1.0 / min(*exif.size, width, height)):
        return ''
    return f'cropped after EXIF was written (from {exif.size[0]}x{exif.size[1]})'


def read_calibration(path: Path) -> SimpleNamespace:
    """Read a YAML of camera_calibration or camera_info_manager; return it like a CameraInfo.

    Raises `EvalError` that names the missing fields.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = ' '.join(str(error).split())
        raise EvalError(f'cannot read {path} as a calibration of ROS: {reason}') from None
    fields = {name: _at(content, keys) for name, keys in _FIELDS.items()}
    lacking = ['.'.join(_FIELDS[name]) for name, value in fields.items() if value is None]
    if lacking:
        raise EvalError(
            f'{path} has no {", ".join(lacking)}; expected: a YAML of ROS camera_calibration (or '
            'give --vfov or --focal-px)'
        )
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    binning = {'binning_x': 0, 'binning_y': 0}
    return SimpleNamespace(**fields, p=_at(content, _P) or [], roi=roi, **binning)


def _at(content: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _focal(text: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(text)
        if math.isfinite(value) and value > 0:
            return value
    raise argparse.ArgumentTypeError(f'{text} is not a focal length; expected: pixels > 0')
