# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plots as PNG files: one axes, with the legend on the right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from train.errors import TrainError


def new_axes() -> tuple[Any, Any]:
    """Create a figure with one axes; raises `TrainError` without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TrainError(f'plots need matplotlib ({error}); pip install dmd_ros[train]') from None
    figure = Figure(figsize=(8.0, 3.4), dpi=110, layout='constrained')
    return figure, figure.subplots()


def save(figure: Any, axes: Any, title: str, path: Path) -> None:
    """Add title, grid and legend, and write the PNG."""
    axes.set_title(title, fontsize=10)
    axes.grid(axis='y', alpha=0.3)
    axes.legend(fontsize=8, loc='upper left', bbox_to_anchor=(1.01, 1.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the library's version in the file, equal numbers give equal files.
    figure.savefig(path, metadata={'Software': None})
