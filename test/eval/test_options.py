# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from dmd_ros.eval import options
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.judge import Limits

INTERRUPTED = """
import signal, sys
from dmd_ros.eval.options import run_command
signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background job ignores it
def command(_):
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.raise_signal(signal.SIGINT)
        print('cleared up')
status = run_command(command)
signal.raise_signal(signal.SIGINT)
sys.exit(status)
"""


def test_a_second_ctrl_c_does_not_interrupt_the_cleaning_up() -> None:
    done = subprocess.run([sys.executable, '-c', INTERRUPTED], capture_output=True, text=True)
    said = (done.returncode, done.stdout, done.stderr)
    assert said == (130, 'cleared up\n', 'interrupted\n')


HUNGRY = """
import resource, sys, cv2, numpy as np
from dmd_ros.eval.options import run_command
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
sys.exit(run_command(lambda _: cv2.resize(np.zeros((1, 1, 3), np.uint8), (1 << 15, 1 << 15))))
"""


def test_opencv_out_of_memory_is_reported_like_numpy() -> None:
    done = subprocess.run([sys.executable, '-c', HUNGRY], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'error: out of memory; fewer samples need less (' in done.stderr
    assert 'Traceback' not in done.stderr


CUT_SHORT = """
import sys
from tqdm import tqdm
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.options import run_command
def look_at(number):
    if number == 5:
        raise {error}
def command(_):
    any(look_at(number) for number in tqdm(range(9), file=sys.stderr))
sys.exit(run_command(command))
"""


@pytest.mark.parametrize(
    ('error', 'said'),
    [('EvalError("no frame")', 'error: no frame'), ('KeyboardInterrupt', 'interrupted')],
)
def test_the_error_is_printed_below_an_unfinished_progress_bar(error: str, said: str) -> None:
    code = CUT_SHORT.format(error=error)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    bar, *rest = done.stderr.splitlines()[-2:]
    assert '5/9' in bar and rest == [said], done.stderr


@pytest.mark.parametrize(
    ('model', 'precision'), [('dmd_worlds', 'fp32'), ('dmd_worlds_int8', 'int8 (fp32 elsewhere)')]
)
def test_a_result_records_the_precision_of_its_model(model: str, precision: str) -> None:
    parser = argparse.ArgumentParser()
    options.add_model_options(parser)
    args = parser.parse_args(['--model', model])
    estimator = options.estimator_from(args)
    assert options.settings_of(args, estimator, Limits())['precision'] == precision
    estimator.close()


@pytest.mark.parametrize('is_there', [True, False])
def test_of_a_link_in_the_way_only_the_link_is_removed(tmp_path, is_there) -> None:
    """To a folder on a larger disk: rmtree refuses it when the other results are gone already."""
    target, out = tmp_path / 'larger' / 'depth', tmp_path / 'out'
    target.mkdir(parents=True)
    out.mkdir()
    (out / 'depth').symlink_to(target if is_there else tmp_path / 'nowhere')
    with pytest.raises(EvalError, match=r'depth exists already; .* or give --overwrite'):
        options.left_over(out, ['depth'], overwrite=False)
    options.remove(options.left_over(out, ['depth'], overwrite=True))
    assert list(out.iterdir()) == [] and target.is_dir()
