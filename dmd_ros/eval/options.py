# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command-line options shared by the evaluation commands, and their error handling."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2

from dmd_ros.core.diffusion import SAMPLERS
from dmd_ros.core.errors import CoreError
from dmd_ros.core.floor import Mount
from dmd_ros.core.preprocess import ROTATIONS
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.judge import Limits
from dmd_ros.eval.metrics import MAX_M, MIN_M
from dmd_ros.eval.output.progress import say_last
from dmd_ros.loading import load_estimator
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.select import BACKENDS
from dmd_ros.runtime.shared_files import find_model

# A second Ctrl-C within this time, seconds, is ignored.
DEAF_S = 3.0
# Options of any command that have a meaning only if a model is run.
_OF_MODEL = (
    'model', 'backend', 'device', 'threads', 'steps', 'samples', 'sampler', 'seed',
    'image_rotation', 'temporal', 'mirror', 'camera_height', 'camera_pitch', 'camera_roll',
    'floor_frame',
)  # fmt: skip
_OF_ESTIMATES = ('estimate_range', 'estimate_rectified')


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the model and how it is sampled."""
    group = parser.add_argument_group('model')
    group.add_argument('--model', help='.onnx file or shipped model (default: the shipped one)')
    group.add_argument('--backend', choices=BACKENDS, default='auto', help='default: %(default)s')
    group.add_argument('--device', default='cpu', help='or auto, cuda, cuda:1 (default: cpu)')
    group.add_argument('--threads', type=count, default=0, help='CPU threads; 0 = all cores')
    group.add_argument('--steps', type=positive, help="diffusion steps (default: the model's)")
    group.add_argument('--samples', type=positive, help="samples averaged (default: the model's)")
    group.add_argument('--sampler', choices=SAMPLERS, default='ddpm', help='default: %(default)s')
    group.add_argument('--seed', type=count, default=0, help='seed of all noise (default: 0)')
    group.add_argument(
        '--image-rotation',
        type=int,
        choices=ROTATIONS,
        default=0,
        help='degrees clockwise that turn the pictures upright (default: 0)',
    )


def add_mount_options(parser: argparse.ArgumentParser) -> None:
    """Add the position of the camera above the floor, which scales the depth of a model."""
    group = parser.add_argument_group('scale by the floor')
    group.add_argument(
        '--camera-height',
        type=float,
        metavar='M',
        help='height of the camera above the floor, metres: depth is scaled to agree with it',
    )
    group.add_argument(
        '--camera-pitch',
        type=float,
        default=0.0,
        metavar='DEG',
        help='degrees by which the camera looks down, for --camera-height (default: 0)',
    )
    group.add_argument(
        '--camera-roll',
        type=float,
        default=0.0,
        metavar='DEG',
        help='degrees by which the camera leans to the right, for --camera-height (default: 0)',
    )


def mount_from(args: argparse.Namespace) -> Mount | None:
    """Read the camera's pose above the floor, if given; raises `EvalError` without a height."""
    if args.camera_height is not None:
        return Mount(args.camera_height, args.camera_pitch, args.camera_roll)
    if args.camera_pitch or args.camera_roll:
        raise EvalError(
            f'--camera-pitch {args.camera_pitch:g} and --camera-roll {args.camera_roll:g} need '
            '--camera-height: without a height, the floor does not determine the scale'
        )
    return None


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """Add the range of valid ground truth."""
    group = parser.add_argument_group('ground truth')
    group.add_argument(
        '--min-depth', type=float, default=MIN_M, metavar='M', help='metres (default: %(default)s)'
    )
    group.add_argument(
        '--max-depth', type=float, default=MAX_M, metavar='M', help='metres (default: %(default)s)'
    )


def add_estimate_options(parser: argparse.ArgumentParser, what: str, metavar: str) -> Any:
    """Add the options for existing estimates; return their group, so that it can be extended."""
    group = parser.add_argument_group('existing estimates, instead of a model')
    group.add_argument('--estimates', type=Path, metavar=metavar, help=what)
    group.add_argument(
        '--estimate-range',
        type=float,
        nargs=2,
        metavar=('NEAR', 'FAR'),
        help='metres that -inf and +inf are judged as (default: --min-depth and --max-depth)',
    )
    return group


def refuse_model_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Raise `EvalError` if options of a model are given although none is run."""
    given = _given(parser, args, _OF_MODEL)
    if given:
        raise EvalError(f'{given}: for a model, and none is run if estimates are given')


def refuse_estimate_options(
    parser: argparse.ArgumentParser, args: argparse.Namespace, with_what: str
) -> None:
    """Raise `EvalError` if options of existing estimates are given although there are none."""
    given = _given(parser, args, _OF_ESTIMATES)
    if given:
        raise EvalError(f'{given}: for existing estimates; give {with_what} too')


def _given(parser: argparse.ArgumentParser, args: argparse.Namespace, names: Iterable[str]) -> str:
    """List the options among `names` that differ from their defaults."""
    given = [n for n in names if n in args and getattr(args, n) != parser.get_default(n)]
    return ', '.join(f'--{name.replace("_", "-")}' for name in given)


def estimate_range_from(args: argparse.Namespace, limits: Limits) -> tuple[float, float]:
    """Read the range, metres, that infinities are judged as; raises `EvalError` if invalid."""
    if args.estimate_range is None:
        if math.isinf(limits.max_m):
            raise EvalError(
                'with --max-depth inf, +inf of an estimate needs a depth to be judged as; give '
                '--estimate-range NEAR FAR, metres'
            )
        return max(limits.min_m, MIN_M), limits.max_m
    near, far = args.estimate_range
    if not 0.0 < near < far < math.inf:
        raise EvalError(
            f'--estimate-range {near:g} {far:g} must be 0 < NEAR < FAR, in metres and finite'
        )
    return near, far


def add_color_options(parser: argparse.ArgumentParser) -> None:
    """Add the depths at the ends of the colour scale."""
    group = parser.add_argument_group('colours')
    group.add_argument(
        '--color-near',
        type=float,
        default=0.5,
        metavar='M',
        help='metres at the red end (default: %(default)s)',
    )
    group.add_argument(
        '--color-far',
        type=float,
        default=50.0,
        metavar='M',
        help='metres at the blue end (default: %(default)s)',
    )


def color_scale_from(args: argparse.Namespace) -> tuple[float, float]:
    """Read the depths at the ends of the colours, metres; raises `EvalError` if invalid."""
    near, far = args.color_near, args.color_far
    if not 0.0 < near < far < math.inf:
        raise EvalError(
            f'--color-near {near:g} and --color-far {far:g} must be 0 < near < far, metres'
        )
    return near, far


def estimator_from(args: argparse.Namespace, **settings: Any) -> DepthEstimator:
    """Load the model chosen by the options; settings: further arguments of `load_estimator`."""
    mount = settings.setdefault('mount', mount_from(args) if 'camera_height' in args else None)
    if mount is not None and getattr(args, 'mirror', False):
        raise EvalError(
            '--mirror and --camera-height cannot be combined: the mirrored estimate has another '
            'scale; give one'
        )
    return load_estimator(
        args.model,
        args.backend,
        args.device,
        args.threads,
        steps=args.steps,
        samples=args.samples,
        sampler=args.sampler,
        seed=args.seed,
        image_rotation=args.image_rotation,
        **settings,
    )


def limits_from(args: argparse.Namespace) -> Limits:
    """Read the range of valid ground truth; raises `EvalError` if invalid."""
    if not 0.0 <= args.min_depth < args.max_depth:
        raise EvalError(
            f'--min-depth {args.min_depth:g} and --max-depth {args.max_depth:g} must be '
            '0 <= min < max, metres'
        )
    return Limits(args.min_depth, args.max_depth)


def settings_of(
    args: argparse.Namespace, estimator: DepthEstimator, limits: Limits | None = None
) -> dict[str, Any]:
    """Return the settings that a result depends on; limits: None if nothing is judged."""
    settings = {
        'model': estimator.contract.name,
        'model_file': str(find_model(args.model)),
        'backend': estimator.backend.name,
        'device': estimator.backend.device,
        'precision': estimator.backend.precision,
        'steps': estimator.steps,
        'samples': estimator.samples,
        'sampler': estimator.sampler,
        'seed': estimator.seed,
        'temporal': estimator.temporal,
        'image_rotation': estimator.image_rotation,
        'mount': None if estimator.floor_scale is None else estimator.floor_scale.mount,
        'model_range_m': [estimator.contract.depth_min_m, estimator.contract.depth_max_m],
    }
    if limits is not None:
        settings['truth_range_m'] = [limits.min_m, limits.max_m]
    return settings


def run_command(command: Callable[[Sequence[str] | None], None], *others: type[Exception]) -> int:
    """Run a command; return its exit status. Errors of the user print one line, no traceback.

    others: further exception classes of such errors.
    """
    common = (EvalError, CoreError, BackendError, OSError)  # OSError: mostly from --out
    explained: tuple[type[Exception], ...] = common + others
    done = False
    _ignore_repeated_ctrl_c()
    try:
        command(None)
        done = True
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) closed the pipe; the outputs are complete only if `done`.
        for stream in (sys.stdout, sys.stderr):  # at exit, Python would fail to flush them
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 0 if done else 128 + signal.SIGPIPE  # the shell's status for a death by SIGPIPE
    except explained as error:
        say_last(f'error: {error}')
        return 2
    except (MemoryError, cv2.error) as error:
        if isinstance(error, cv2.error) and error.code != cv2.Error.StsNoMem:
            raise
        say_last(f'error: out of memory; fewer samples need less ({error})')
        return 2
    except KeyboardInterrupt:
        say_last('interrupted')
        return 130
    return 0


def _ignore_repeated_ctrl_c() -> None:
    """Ignore a second Ctrl-C soon after the first, which would interrupt the cleaning up."""
    # Background jobs of scripts ignore SIGINT, which must stay so; handlers need the main thread.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    last_s = -math.inf

    def interrupt(*_: object) -> None:
        nonlocal last_s
        if time.monotonic() - last_s > DEAF_S:
            last_s = time.monotonic()
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)


@contextlib.contextmanager
def ctrl_c_between_steps() -> Iterator[Callable[[], bool]]:
    """Defer Ctrl-C inside this context; yield a function that returns whether it was pressed.

    A loop calls that function after each step, so that no step is interrupted and the results so
    far can be kept. A second Ctrl-C at least `DEAF_S` later acts at once, in case a step hangs.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield lambda: False
        return
    pressed_s: list[float] = []

    def note(number: int, frame: Any) -> None:
        if pressed_s and time.monotonic() - pressed_s[0] > DEAF_S:
            before(number, frame)
        elif not pressed_s:
            pressed_s.append(time.monotonic())

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed_s)
    finally:
        signal.signal(signal.SIGINT, before)


def left_over(out: Path, names: Iterable[str], overwrite: bool) -> list[Path]:
    """List the paths in `out` with these names; raises `EvalError` if any must not be replaced."""
    # Broken links, too, would be in the way.
    left = [path for path in (out / name for name in names) if os.path.lexists(path)]
    if left and not overwrite:
        raise EvalError(f'{left[0]} exists already; choose another --out, or give --overwrite')
    return left


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders of an earlier run; ignore those that do not exist.

    Of a symbolic link, as to a folder on a larger disk, only the link is removed.
    """
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def positive(text: str) -> int:
    """Read a whole number >= 1, for argparse."""
    return _at_least(text, 1)


def count(text: str) -> int:
    """Read a whole number >= 0, for argparse."""
    return _at_least(text, 0)


def seconds(text: str) -> float:
    """Read a number from 0 to 1e9, for argparse."""
    value = float(text)
    if not 0.0 <= value <= 1e9:
        raise argparse.ArgumentTypeError(f'{text} is not a time; expected: 0 to 1e9 seconds')
    return value


def duration(text: str) -> float:
    """Read a number above 0, up to 1e9, for argparse."""
    value = seconds(text)
    if not value:
        raise argparse.ArgumentTypeError(f'{text} is not a duration; expected: above 0 seconds')
    return value


def _at_least(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number') from None
    if value < least:
        raise argparse.ArgumentTypeError(f'{value} must be >= {least}')
    return value
