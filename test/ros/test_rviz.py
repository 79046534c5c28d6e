# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks config/dmd.rviz as text: a display of a missing topic silently stays empty."""

from __future__ import annotations

import yaml
from peers import ROOT

from dmd_ros.ros.outputs import TOPICS

KINDS = {
    'rviz_default_plugins/Image': 'Image',
    'rviz_default_plugins/PointCloud2': 'PointCloud2',
}


def test_displays_show_the_topics_of_the_node_with_suitable_reliability():
    config = yaml.safe_load((ROOT / 'config' / 'dmd.rviz').read_text())
    displays = config['Visualization Manager']['Displays']
    shown = {d['Topic']['Value']: d for d in displays if 'Topic' in d}
    assert shown.keys() == {'/image', '/depth/image', '/depth/color', '/points'}
    for name, display in shown.items():
        kind = TOPICS.get(name.removeprefix('/'))
        assert KINDS[display['Class']] == (kind.__name__ if kind else 'Image')
        # Large best-effort messages get lost; a camera may offer nothing else.
        expected = 'Reliable' if kind else 'Best Effort'
        assert display['Topic']['Reliability Policy'] == expected
