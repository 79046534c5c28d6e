# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's training mixtures, and mixtures without downloads, as a table.

    python -m train.mixtures                                         # the table
    python -m train.mixtures dmd-nk --root nyu_folder=/data/nyu --root kitti=/data/kitti

The second form prints the value of the trainer's `sources` setting. A root may include options of
its reader: --root 'kitti=/data/kitti?list_file=/data/eigen_train.txt'.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dmd_ros.eval.output.report import markdown_table
from train.datasets.registry import READERS, options_of
from train.errors import TrainError

# A dataset of the user's choice: any reader, given as --root any=kind:path.
ANY = 'any'
WORLDS = 'worlds'


@dataclass(frozen=True)
class Part:
    """One dataset of a mixture.

    weight: share of the samples. fov: whether the field of view is augmented (not if it already
    varies in the data). infill: how holes in its labels are filled before noise is added.
    options: of the reader, as 'key=value&...'. alias: name of its --root, if one reader serves
    several sets.
    """

    dataset: str
    weight: float
    fov: bool
    infill: str
    options: str = ''
    alias: str = ''

    @property
    def name(self) -> str:
        """Name of the dataset for --root."""
        return self.alias or self.dataset


# The paper specifies the datasets, the stage with augmented field of view, and the need to infill,
# but not the weights: those below are ours. LiDAR is filled from the nearest return; the smooth
# fill suits the few small holes in rendered and scanned rooms.
# fmt: off
MIXTURES: dict[str, tuple[Part, ...]] = {
    'stage0': (
        Part('images', 0.5, fov=True, infill='zero', alias='imagenet'),  # crops of many sizes
        Part('images', 0.5, fov=True, infill='zero', alias='places365'),
    ),
    'stage1': (
        Part('scannet', 0.35, fov=False, infill='nearest', options='every=10'),
        Part('scenenet', 0.20, fov=False, infill='inpaint'),
        Part('waymo', 0.30, fov=False, infill='nearest', options='every=5'),
        Part('diml_indoor', 0.15, fov=False, infill='nearest'),
    ),
    'dmd-nk': (
        Part('nyu_folder', 0.5, fov=True, infill='nearest'),
        Part('kitti', 0.5, fov=True, infill='nearest'),
    ),
    'dmd-mix': (
        Part('nyu_folder', 0.25, fov=True, infill='nearest'),
        Part('taskonomy', 0.25, fov=False, infill='inpaint'),  # has varying fields of view
        Part('kitti', 0.25, fov=True, infill='nearest'),
        Part('nuscenes', 0.25, fov=True, infill='nearest'),
    ),
    'worlds': (Part(WORLDS, 1.0, fov=True, infill='nearest'),),  # nothing to download
    'worlds+any': (  # fine-tuning on your own data without forgetting the rest
        Part(WORLDS, 0.5, fov=True, infill='nearest'),
        Part(ANY, 0.5, fov=True, infill='nearest'),
    ),
}
# fmt: on


def parts_of(name: str) -> tuple[Part, ...]:
    """Return the parts of a mixture; raises `TrainError` that lists the known ones."""
    if name not in MIXTURES:
        raise TrainError(f'mixture {name!r} is unknown; allowed: {", ".join(MIXTURES)}')
    return MIXTURES[name]


def sources_text(name: str, roots: Mapping[str, str]) -> str:
    """Return the trainer's `sources` for a mixture; roots: dataset -> path[?options].

    Raises `TrainError` if a root is missing or not needed.
    """
    parts = parts_of(name)
    needed = [part.name for part in parts if part.dataset != WORLDS]
    missing = [dataset for dataset in needed if dataset not in roots]
    unknown = sorted(set(roots) - set(needed))
    if missing or unknown:
        raise TrainError(
            f'mixture {name!r} needs --root for {", ".join(needed) or "nothing"}; missing: '
            f'{", ".join(missing) or "none"}, not part of it: {", ".join(unknown) or "none"}'
        )
    return ','.join(_source(part, roots.get(part.name, '')) for part in parts)


def _source(part: Part, root: str) -> str:
    """Format one source as 'kind:path?options@weight'."""
    if part.dataset == WORLDS:
        return f'{WORLDS}@{part.weight:g}'
    kind, path = part.dataset, root
    if kind == ANY:
        kind, _, path = root.partition(':')
        if kind not in READERS:
            raise TrainError(
                f'--root any={root}: {kind!r} is not a dataset; use any=KIND:PATH with one of '
                f'{", ".join(sorted(READERS))}'
            )
    path, _, own = path.partition('?')
    for sign in ',@':
        if sign in path + own:
            raise TrainError(f'root {root!r} must not contain {sign!r}; use a link without it')
    options_of(own)
    # Options of the user come last and take precedence.
    settings = {'fov': 'on' if part.fov else 'off', 'infill': part.infill}
    for text in (part.options, own):
        settings |= dict(pair.split('=', 1) for pair in text.split('&') if '=' in pair)
    query = '&'.join(f'{key}={value}' for key, value in settings.items())
    return f'{kind}:{path}?{query}@{part.weight:g}'


def table() -> str:
    """Format the mixtures as a Markdown table."""
    rows = [
        [name, part.name, f'{part.weight:g}', 'on' if part.fov else 'off', part.infill,
         part.options or '-']
        for name, parts in MIXTURES.items()
        for part in parts
    ]  # fmt: skip
    return markdown_table(('mixture', 'dataset', 'weight', 'FOV', 'infill', 'options'), rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m train.mixtures',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('mixture', nargs='?', help=f'one of {", ".join(MIXTURES)}')
    parser.add_argument(
        '--root', action='append', default=[], metavar='DATASET=PATH[?OPTIONS]',
        help='location of a dataset; one for each dataset of the mixture',
    )  # fmt: skip
    args = parser.parse_args(arguments)
    if args.mixture is None:
        if args.root:
            parser.error('--root needs a mixture, as the first argument')
        print(table())
        return 0
    try:
        print(sources_text(args.mixture, dict(pair(text) for text in args.root)))
    except TrainError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


def pair(text: str) -> tuple[str, str]:
    """Split DATASET=PATH; raises `TrainError`."""
    dataset, separator, root = text.partition('=')
    if not separator or not root:
        raise TrainError(f'--root {text!r} must be DATASET=PATH')
    return dataset, root


if __name__ == '__main__':
    sys.exit(main())
