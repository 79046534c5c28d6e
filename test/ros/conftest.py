# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes and peers for the ROS tests, which are skipped if rclpy is not installed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')
sys.path.insert(0, str(Path(__file__).parent))

from oracle_model import write_oracle
from peers import NodeProcess, Peer, free_domain


@pytest.fixture(scope='session')
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_oracle(tmp_path_factory.mktemp('model') / 'oracle.onnx')


@pytest.fixture(scope='session')
def running(oracle: Path):
    """Return a context manager: a node with parameters and a peer that have connected."""

    @contextlib.contextmanager
    def run(
        *,
        autostart: bool = True,
        remaps: tuple[str, ...] = (),
        peer: dict | None = None,
        model: Path | None = None,
        **parameters: object,
    ) -> Iterator[SimpleNamespace]:
        values = {'model': model or oracle, 'threads': 1, 'diagnostics_period': 0.1, **parameters}
        values['autostart'] = str(autostart).lower()
        arguments = ['--ros-args']
        for name, value in values.items():
            arguments += ['-p', f'{name}:={value}']
        for remap in remaps:
            arguments += ['-r', remap]
        with free_domain() as domain:
            node = NodeProcess(domain, *arguments)
            side = Peer(domain, **(peer or {}))
            try:
                if autostart:
                    node.wait_line('active: ')
                    # Earlier lines contain less.
                    side.wait_diagnostics(lambda values: values['state'] == 'active')
                yield SimpleNamespace(node=node, peer=side, domain=domain)
            finally:
                code = node.stop()
                side.close()
            assert code == 0, node.output
            assert 'Traceback' not in node.output, node.output

    return run
