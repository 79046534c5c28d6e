# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start `with_torch` early, so that it compiles while others use the GPU, then read its results.

This module needs neither torch nor TensorRT.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from pathlib import Path

from dmd_ros.runtime.errors import BackendError
from train.gpu.report import Row

READY, ROW, ABOUT = 'ready', 'row ', 'about '


class TorchChild:
    """One run of `python -m train.gpu.with_torch time`, which starts timing at `measure`."""

    def __init__(self, python: str, net: str, precisions: list[str], samples: list[int]) -> None:
        """Start compiling; `measure` reports any failure. net: preset or .onnx file."""
        words = [python, '-m', 'train.gpu.with_torch', 'time', '--net', net]
        words += ['--precisions', *precisions, '--samples', *map(str, samples)]
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._last: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors='replace',
            )
        except OSError as error:
            self._last.append(f'{python} does not start ({error})')
            self._lines.put(None)
            return
        threading.Thread(target=self._read, daemon=True).start()

    def measure(self, end: float) -> tuple[list[Row], dict[str, str]]:
        """Start timing and return rows and versions; raises `BackendError`.

        end: deadline, of `time.monotonic`.
        """
        rows: list[Row] = []
        about: dict[str, str] = {}
        while (line := self._next(end)) is not None:
            if line == READY:
                process = self._process
                assert process is not None and process.stdin is not None
                process.stdin.write('\n')
                process.stdin.flush()
            elif line.startswith(ROW):
                rows.append(Row(**json.loads(line[len(ROW) :])))
            elif line.startswith(ABOUT):
                about |= json.loads(line[len(ABOUT) :])
            else:
                self._last.append(line)
        if not rows:
            raise BackendError(f'no measurements from torch: {" / ".join(self._last[-2:])[-300:]}')
        return rows, about

    def stop(self) -> None:
        """Kill the process if it is still running."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _next(self, end: float) -> str | None:
        try:
            return self._lines.get(timeout=max(0.1, end - time.monotonic()))
        except queue.Empty:
            self._last.append('no time left')
            self.stop()
            return None

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            if text := line.rstrip():
                self._lines.put(text)
        self._lines.put(None)


def export_presets(python: str, folder: Path, end: float) -> None:
    """Export the presets with the Python that has torch; raises `BackendError`."""
    words = [python, '-m', 'train.gpu.with_torch', 'export', str(folder)]
    left = max(1.0, end - time.monotonic())
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=left)
    except (OSError, subprocess.SubprocessError) as error:
        raise BackendError(f'the presets cannot be exported: {error}') from None
    if result.returncode != 0:
        printed = (result.stderr or result.stdout).strip().splitlines()[-1:]
        raise BackendError(f'{python} cannot export the presets: {" ".join(printed)}')
