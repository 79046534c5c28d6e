# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The renderer of the demo's bag; what it rendered is what the tests of finetune train on."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.sample_bag import main


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (('--frames', '0'), '0 must be >= 1'),
        (('--rate', '0'), '--rate 0 must be from 0.001 to 1e9 Hz'),
        (('--size', '1', '480'), '--size 1 480 must be at least 2 2'),
        (('--seed', '-1'), 'seed -1 must be in'),
    ],
)
def test_a_wrong_option_is_told_before_the_old_bag_is_removed(
    wrong: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'metadata.yaml').write_text('of a bag')
    with pytest.raises(SystemExit):
        main([str(tmp_path), *wrong])
    assert message in capsys.readouterr().err
    assert (tmp_path / 'metadata.yaml').is_file()
