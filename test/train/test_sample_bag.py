# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from train.sample_bag import main


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--rate', '0'], '--rate 0 must be from 0.001 to 1000 Hz'),
        (['--rate', 'nan'], '--rate nan must be from'),
        (['--frames', '0'], '--frames: 0 must be >= 1'),
        (['--size', '640', '0'], '--size 640 0: both must be >= 2'),
        (['--seed', '-1'], 'seed -1 must be in [0, 2**32)'),
    ],
)
def test_a_failed_bag_does_not_replace_an_existing_one(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'metadata.yaml').write_text('of a bag\n')
    with pytest.raises(SystemExit):
        main([str(tmp_path), *arguments])
    assert message in capsys.readouterr().err
    assert (tmp_path / 'metadata.yaml').is_file()


def test_a_bag_that_cannot_be_written_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'file'
    file.touch()
    assert main([str(file / 'bag')]) == 1
    error = f'error: cannot write {file / "bag"} ({file}: Not a directory); choose another FOLDER'
    assert capsys.readouterr().err == f'{error}\n'
