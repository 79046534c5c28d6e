# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pair the messages of a bag by their stamps.

CameraInfo: the one with the image's frame_id and the nearest stamp, which need not be equal
(latched or slow infos, and drivers that stamp the two differently).
Depth: the nearest stamp within a tolerance, each depth at most once; if stamps repeat (looped or
unstamped recordings), in the order of recording.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from dmd_ros.core.camera_info import same_frame
from dmd_ros.eval.errors import EvalError

# CameraInfo messages by frame_id, as (stamp in nanoseconds, message) sorted by stamp.
Infos = dict[str, list[tuple[int, Any]]]


def pair(
    stamps_ns: Sequence[int],
    partners_ns: Sequence[int],
    tolerance_ns: int,
    chosen: Sequence[int] | None = None,
) -> list[int | None]:
    """Return for each stamp the index of its partner, or None.

    A partner is the nearest one, if within tolerance, and belongs to one stamp only: if two stamps
    share the nearest partner, the nearer stamp gets it and the other one gets none. The k-th of
    equal stamps is paired with the k-th partner of the nearest stamp.
    chosen: indices of the stamps that take part (default: all).
    """
    partner_of = {key: i for i, key in enumerate(_numbered(partners_ns))}
    ordered = sorted(set(partners_ns))
    numbered = _numbered(stamps_ns)
    chosen = range(len(stamps_ns)) if chosen is None else chosen
    claims: dict[int, tuple[int, int]] = {}  # partner -> (distance, place)
    for place, index in enumerate(chosen if ordered else ()):
        stamp, turn = numbered[index]
        best = ordered[_nearest(ordered, stamp)]
        partner = partner_of.get((best, turn))
        claim = (abs(best - stamp), place)
        if partner is not None and claim < claims.get(partner, (tolerance_ns + 1, 0)):
            claims[partner] = claim
    found: list[int | None] = [None] * len(chosen)
    for partner, (_, place) in claims.items():
        found[place] = partner
    return found


def repeated_stamps(stamps_ns: Sequence[int], partners: str) -> str:
    """Return a warning that image stamps repeat, or ''; partners: what they are paired with."""
    repeated = len(stamps_ns) - len(set(stamps_ns))
    if not repeated:
        return ''
    return (
        f'{repeated} of {len(stamps_ns)} images repeat a stamp (a looped or unstamped '
        f'recording?); these and the {partners} are paired in the order of recording, which is '
        'wrong if some of either were dropped'
    )


def nearest_apart(stamps_ns: Sequence[int], partners_ns: Sequence[int]) -> str:
    """Return how far apart the nearest two stamps are, as text: hours hint at different clocks."""
    ordered = sorted(partners_ns)
    if not ordered or not stamps_ns:
        return 'there is none'
    apart = min(abs(ordered[_nearest(ordered, stamp)] - stamp) for stamp in stamps_ns)
    return f'the nearest is {apart * 1e-9:.3g} s away'


def info_for(
    infos: Infos,
    stamp_ns: int,
    frame_id: str,
    topic: str,
    option: str = '--camera-info-topic',
) -> tuple[int, Any]:
    """Return the CameraInfo of an image, after its stamp; an empty frame_id matches any other.

    topic: of the infos. option: that chooses it. Raises `EvalError` if no frame_id matches.
    """
    lists = [found for name, found in infos.items() if same_frame(name, frame_id)]
    if not lists:
        raise EvalError(
            f'no camera_info with frame_id {frame_id!r} on {topic} (it has '
            f'{sorted(infos)}); choose the one of this camera with {option}'
        )
    candidates = [found[_nearest(found, stamp_ns, itemgetter(0))] for found in lists]
    stamp, info = min(candidates, key=lambda found: abs(found[0] - stamp_ns))
    return stamp, info


def _numbered(stamps_ns: Sequence[int]) -> list[tuple[int, int]]:
    """Return each stamp with the number of equal ones before it."""
    counts: Counter[int] = Counter()
    numbered = []
    for stamp in stamps_ns:
        numbered.append((stamp, counts[stamp]))
        counts[stamp] += 1
    return numbered


def _nearest(
    ordered: Sequence[Any],
    value: int,
    key: Callable[[Any], int] = lambda element: element,
) -> int:
    """Return the index of the element whose key is nearest to `value`.

    ordered: non-empty, sorted by key. Bisects it, because a long bag has a camera_info per image.
    """
    at = bisect.bisect_left(ordered, value, key=key)
    near = [k for k in (at - 1, at) if 0 <= k < len(ordered)]
    return min(near, key=lambda k: abs(key(ordered[k]) - value))
