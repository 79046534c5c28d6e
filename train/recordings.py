# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Input of `train.finetune`: bags and folders of labelled frames for training or validation.

Each is split separately, and the frames of each bag are written to a separate folder in --out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dmd_ros.core.camera import Camera
from dmd_ros.eval.bags.file import bag_name, storage_files
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_folder import find_frames
from dmd_ros.eval.output.report import as_text
from train.datasets.base import DOCS
from train.datasets.frames import Frames
from train.datasets.registry import open_dataset
from train.errors import TrainError
from train.mixtures import WORLDS
from train.sources import parse_sources

# Options of the bag reader; they do not apply to folders of frames.
_OF_BAGS: dict[str, Any] = {
    'image': None, 'info': None, 'depth': None, 'depth_info': None, 'depth_tolerance': None,
    'image_rotation': 0, 'depth_frame': 'same', 'every': 1,
}  # fmt: skip
# Characters with a special meaning in source strings, see `train.sources`.
_SIGNS = ',@?'
# Letters of a bag's name in the folder name of its frames, because names are limited to 255 bytes.
_LETTERS = 40


@dataclass(frozen=True, eq=False)
class Recording:
    """A bag or a folder of labelled frames.

    kind, options: of its reader. held: the part for validation: 'held_out', or 'all' if no part is
    trained on.
    """

    path: Path
    kind: str
    options: Mapping[str, Any]
    held: str = 'held_out'

    @property
    def is_trained_on(self) -> bool:
        """Whether a part of the recording is trained on."""
        return self.held != 'all'

    def open(self, part: str) -> Frames:
        """Open a part of the recording; raises `TrainError`."""
        reader = open_dataset(self.kind, self.path, **self.options, part=part)
        assert isinstance(reader, Frames)
        return reader

    def source(self, part: str) -> str:
        """Return a part of the recording as a source string of the trainer's settings."""
        # Quoted, because '+' and '%' are allowed in names and have a meaning in a query.
        options = {'part': part, **self.options}
        query = '&'.join(f'{key}={quote(str(value))}' for key, value in options.items())
        return f'{self.kind}:{self.path}?{query}'


def recordings_of(options: argparse.Namespace) -> list[Recording]:
    """Return the recordings to train on, then those for validation only; raises `TrainError`."""
    if not 0.0 <= options.worlds < 1.0:
        raise TrainError(f'--worlds {options.worlds:g} must be a share in 0..1, below 1')
    given = [*options.data, *options.judge]
    _check_names(given)
    kinds = {path: kind_of(path) for path in given}
    _check_apart(kinds)
    if 'bag' not in kinds.values():
        _refuse_options_of_bags(options)
    alone = sum(kinds[path] == 'bag' for path in options.data) == 1
    of_bags = {key: value for key in _OF_BAGS if (value := getattr(options, key))}
    found = []
    for path in given:
        is_bag, is_trained_on = kinds[path] == 'bag', path in options.data
        chosen = dict(of_bags) if is_bag else {}
        if is_trained_on:
            chosen['held_out'] = options.held_out
        if is_bag:
            name = 'frames' if alone and is_trained_on else _folder(path, options.out)
            chosen['cache'] = options.out / name
        found.append(Recording(path, kinds[path], chosen, 'held_out' if is_trained_on else 'all'))
    return found


def kind_of(path: Path) -> str:
    """Return 'bag', or 'frames' for a folder of labelled frames; raises `TrainError`."""
    where = path.expanduser()
    if not where.is_dir():  # the bag reader reports other or missing files
        return 'bag'
    is_bag = bool(storage_files(where)) or (where / 'metadata.yaml').is_file()
    try:
        frames = find_frames(where)
    except EvalError as error:
        if is_bag:
            return 'bag'
        raise TrainError(
            f'{path} is not a bag (a rosbag2 folder, or a .mcap, .db3 or .bag file), and as a '
            f'folder of labelled frames: {error}; expected\n{Frames.tree}\n(see {DOCS})'
        ) from None
    if is_bag:
        raise TrainError(
            f'{path} contains both a recording and labelled frames, such as {frames[0].name}; '
            'separate them'
        )
    return 'frames'


def names_of(recordings: Sequence[Recording]) -> list[str]:
    """Return readable names: file names, or paths if file names are equal."""
    names = [bag_name(r.path) for r in recordings]
    return [
        as_text(str(r.path)) if names.count(name) > 1 else name
        for name, r in zip(names, recordings, strict=True)
    ]


def sources_of(recordings: Mapping[Recording, int], worlds: float) -> str:
    """Return the sources setting: training parts and worlds, with their shares of the samples.

    recordings: mapped to their numbers of training frames. All frames are drawn equally often.
    """
    total = sum(recordings.values())
    parts = [
        f'{r.source("train")}@{(1.0 - worlds) * (frames / total):g}'
        for r, frames in recordings.items()
    ]
    return ','.join([*parts, f'{WORLDS}@{worlds:g}'] if worlds else parts)


def check_begun(recordings: Sequence[Recording], sources: str) -> None:
    """Raise `TrainError` if these recordings differ from the `sources` of a begun run."""
    began = {text for text, _ in parse_sources(sources)} - {WORLDS}
    now = {r.source('train') for r in recordings if r.is_trained_on}
    if began != now:
        before, after = (', '.join(sorted(a - b)) for a, b in ((began, now), (now, began)))
        raise TrainError(
            f'cannot resume with other recordings to train on:\n  {before or "nothing"} -> '
            f'{after or "nothing"}\nspecify those that the run began with, or start a new run '
            'from its weights (--model, with the model that train.export writes)'
        )


def cameras_of(recording: Recording, train: Frames, held: Frames) -> Counter[Camera]:
    """Count the training frames of each camera; a bag has one.

    A frame with an unreadable camera is not counted: it is reported when it is drawn.
    """
    if recording.kind == 'bag':
        return Counter({held.camera(0): len(train)})
    found: Counter[Camera] = Counter()
    for i in range(len(train)):
        try:
            found[train.camera(i)] += 1
        except TrainError:
            continue
    if not found:
        train.camera(0)
    return found


def _check_names(given: Sequence[Path]) -> None:
    for path in given:
        for sign in _SIGNS:
            if sign in str(path):
                raise TrainError(f'{path} has {sign!r} in its name; use a link without it')
    ((place, times),) = Counter(path.expanduser().resolve() for path in given).most_common(1)
    if times > 1:
        raise TrainError(
            f'{place} is specified {times} times; specify it once, to train on or after --judge'
        )


def _check_apart(kinds: Mapping[Path, str]) -> None:
    """Raise `TrainError` if two recordings share a file, such as a bag's file and its folder.

    Otherwise, the model could be validated on its training data.
    """
    first: dict[Path, Path] = {}
    for path, kind in kinds.items():
        where = path.expanduser()
        for part in storage_files(where) if kind == 'bag' else find_frames(where):
            other = first.setdefault(part.resolve(), path)
            if other != path:
                raise TrainError(
                    f'{path} and {other} have {part.name} in common; specify it once, to train on '
                    'or after --judge'
                )


def _refuse_options_of_bags(options: argparse.Namespace) -> None:
    used = [key for key, usual in _OF_BAGS.items() if getattr(options, key) not in (usual, None)]
    if used:
        names = ', '.join(f'--{key.replace("_", "-")}' for key in used)
        raise TrainError(
            f'{names}: only for bags, but no bag is specified; folders of labelled frames are '
            'used unchanged, so leave it out'
        )


def _folder(bag: Path, out: Path) -> str:
    """Return the folder name of a bag's frames: stable, and different for each bag."""
    # Relative, because the two may be moved together.
    where = os.path.relpath(bag.expanduser().resolve(), out.resolve())
    digest = hashlib.sha256(os.fsencode(where)).hexdigest()[:8]
    return f'frames_{bag_name(bag)[:_LETTERS]}_{digest}'
