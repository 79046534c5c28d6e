# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of labelled frames as real files, for the tests that read them."""

from __future__ import annotations

import json

import cv2
import numpy as np
from oracle_model import grey_from_depth

META = {'fx': 60.0, 'fy': 60.0, 'cx': 31.5, 'cy': 23.5, 'width': 64, 'height': 48}


def write_frame(folder, depth_m, painted_m=None, **meta):
    """A frame whose picture makes the oracle estimate `painted_m` (default: the truth)."""
    folder.mkdir(parents=True)
    painted = depth_m if painted_m is None else painted_m
    picture = grey_from_depth(np.nan_to_num(painted, nan=1.0))
    cv2.imwrite(str(folder / 'rgb.png'), picture)
    millimetres = np.nan_to_num(np.rint(depth_m * 1000), nan=0.0)
    millimetres[millimetres > 65535] = 0
    cv2.imwrite(str(folder / 'depth.png'), millimetres.astype(np.uint16))
    if (depth_m > 65.535).any():
        v, u = np.nonzero(depth_m > 65.535)
        np.savez(folder / 'depth_full.npz', u=u, v=v, z=depth_m[v, u])
    (folder / 'meta.json').write_text(json.dumps({**META, 'scene': 'indoor', **meta}))
    return folder


def slope(near=1.0, far=4.0):
    return np.repeat(np.geomspace(near, far, 48, dtype=np.float32)[:, None], 64, axis=1)
