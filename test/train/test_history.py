# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

from train.history import LOSSES, losses, validations


def test_lines_after_the_resumed_checkpoint_are_left_out(tmp_path: Path) -> None:
    assert losses(tmp_path) == []
    first = [{'clock': n, 'loss': 1.0} for n in (4, 8, 12)]
    judged = [{'clock': n, 'validation/abs_rel': 0.1 * n} for n in (8, 16)]
    again = [{'clock': 12, 'loss': 2.0}, {'clock': 16, 'loss': 2.0}]
    lines = [first[0], first[1], judged[0], first[2], judged[1], *again, {**judged[1], 'b': 1}]
    text = ''.join(f'{json.dumps(line)}\n' for line in lines)
    (tmp_path / LOSSES).write_text(f'{{"clock": 2, "lo\n{text}')
    assert losses(tmp_path) == [
        first[0],
        first[1],
        judged[0],
        *again,
        {**judged[1], 'b': 1},
    ]
    assert validations(tmp_path) == [judged[0], {**judged[1], 'b': 1}]
