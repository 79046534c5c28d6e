# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ray intersections with unit shapes, and their normals.

Every primitive is a unit shape under an affine map, so the ray parameter is the same in the
world and in the unit frame. Shapes (all inside [-1, 1]^3):
  BOX        the cube.
  ELLIPSOID  the sphere.
  FRUSTUM    round, z in [-1, 1]; shape = (radius at the top relative to the bottom,
             inner radius ratio of a cup open at the top or 0, thickness of its floor).
  WEDGE      cube whose top face is scaled by shape[0:2] and shifted by shape[2:4].
  BLOB       foliage: leaf clusters in a sphere; shape = (cells per radius, density, seed).
"""

import math

import numpy as np

from train.worlds.jit import device
from train.worlds.layout import BLOB, BOX, ELLIPSOID, FRUSTUM, P_SHAPE, P_TYPE
from train.worlds.noise import noise3

MISS = np.float32(-1.0)
_ONE = np.float32(1.0)
_TINY = np.float32(1e-9)


@device
def hit_box(ox, oy, oz, dx, dy, dz, t_min):
    """Entry into the cube, or MISS."""
    ix = _ONE / (dx if abs(dx) > _TINY else _TINY)
    iy = _ONE / (dy if abs(dy) > _TINY else _TINY)
    iz = _ONE / (dz if abs(dz) > _TINY else _TINY)
    ax, ay, az = abs(ix), abs(iy), abs(iz)
    cx, cy, cz = -ox * ix, -oy * iy, -oz * iz
    near = max(cx - ax, cy - ay, cz - az)
    far = min(cx + ax, cy + ay, cz + az)
    return near if near <= far and near > t_min else MISS


@device
def hit_ellipsoid(ox, oy, oz, dx, dy, dz, t_min):
    """First hit of the unit sphere, or MISS."""
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - 1.0
    disc = b * b - a * c
    if disc < 0.0:
        return MISS
    t = (-b - math.sqrt(disc)) / a
    return t if t > t_min else MISS


@device
def _cone_root(ox, oy, oz, dx, dy, dz, mid, slope, after):
    """Smallest root of x^2 + y^2 = (mid + slope z)^2 along the ray beyond `after`, or 1e30."""
    r0 = mid + slope * oz
    rd = slope * dz
    a = dx * dx + dy * dy - rd * rd
    b = ox * dx + oy * dy - r0 * rd
    c = ox * ox + oy * oy - r0 * r0
    if abs(a) < 1e-12:
        t = -0.5 * c / b if abs(b) > 1e-12 else 1e30
        return t if t > after else 1e30
    disc = b * b - a * c
    if disc < 0.0:
        return 1e30
    root = math.sqrt(disc)
    first = min((-b - root) / a, (-b + root) / a)
    if first > after:
        return first
    last = max((-b - root) / a, (-b + root) / a)
    return last if last > after else 1e30


@device
def hit_frustum(ox, oy, oz, dx, dy, dz, t_min, taper, inner, floor):
    """First hit of a capped cone, or of the cup that is left when its inside is taken out."""
    mid = 0.5 * (1.0 + taper)
    slope = 0.5 * (taper - 1.0)
    best = _cone_root(ox, oy, oz, dx, dy, dz, mid, slope, t_min)
    if best < 1e29 and abs(oz + best * dz) > 1.0:
        best = _cone_root(ox, oy, oz, dx, dy, dz, mid, slope, best)
        if best < 1e29 and abs(oz + best * dz) > 1.0:
            best = 1e30
    if abs(dz) > 1e-12:
        cap = 1.0 if dz < 0.0 else -1.0
        t = (cap - oz) / dz
        radius = mid + slope * cap
        x = ox + t * dx
        y = oy + t * dy
        rr = x * x + y * y
        if t_min < t < best and rr <= radius * radius:
            best = t
            if inner > 0.0 and cap > 0.0 and rr < (inner * radius) ** 2:
                wall = _cone_root(ox, oy, oz, dx, dy, dz, mid * inner, slope * inner, t)
                best = min(wall, (-1.0 + floor - oz) / dz)
    return best if best < 1e29 else MISS


@device
def _wedge_faces(x, y, z, shape, face):
    """Signed distance-like value of one of the six faces of a wedge at a point."""
    if face == 0:
        return z - 1.0
    if face == 1:
        return -z - 1.0
    along = y if face > 3 else x
    scale = shape[1] if face > 3 else shape[0]
    shift = shape[3] if face > 3 else shape[2]
    rise = 0.5 * (z + 1.0)
    along -= shift * rise
    limit = 1.0 + (scale - 1.0) * rise
    return (along if face % 2 == 0 else -along) - limit


@device
def hit_wedge(ox, oy, oz, dx, dy, dz, t_min, shape):
    """Entry into the convex wedge, or MISS."""
    near = -1e30
    far = 1e30
    for face in range(6):
        at_o = _wedge_faces(ox, oy, oz, shape, face)
        rate = _wedge_faces(ox + dx, oy + dy, oz + dz, shape, face) - at_o
        if abs(rate) < 1e-12:
            if at_o > 0.0:
                return MISS
        elif rate < 0.0:
            near = max(near, -at_o / rate)
        else:
            far = min(far, -at_o / rate)
    return near if near <= far and near > t_min else MISS


@device
def hit_blob(ox, oy, oz, dx, dy, dz, t_min, shape):
    """March through the leaf clusters of a blob; MISS where the ray finds a gap."""
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    disc = b * b - a * (ox * ox + oy * oy + oz * oz - 1.0)
    if disc < 0.0:
        return MISS
    root = math.sqrt(disc)
    first = max((-b - root) / a, t_min)
    last = (-b + root) / a
    steps = 7
    step = (last - first) / steps
    cells = shape[0]
    seed = int(shape[2])
    for i in range(steps):
        t = first + (i + 0.3) * step
        x = ox + t * dx
        y = oy + t * dy
        z = oz + t * dz
        reach = x * x + y * y + z * z
        if reach < 1.0 and t > t_min:
            coarse = 0.35 * cells
            value = 0.5 * noise3(x * cells, y * cells, z * cells, seed)
            value += 0.5 * noise3(x * coarse, y * coarse, z * coarse, seed + 31)
            if value > 0.98 - shape[1] + 0.42 * reach:
                return t
    return MISS


@device
def hit_primitive(row, ox, oy, oz, dx, dy, dz, t_min):
    """Ray parameter of the first hit with a primitive beyond t_min, or MISS."""
    lx = row[0] * ox + row[1] * oy + row[2] * oz + row[3]
    ly = row[4] * ox + row[5] * oy + row[6] * oz + row[7]
    lz = row[8] * ox + row[9] * oy + row[10] * oz + row[11]
    ux = row[0] * dx + row[1] * dy + row[2] * dz
    uy = row[4] * dx + row[5] * dy + row[6] * dz
    uz = row[8] * dx + row[9] * dy + row[10] * dz
    kind = int(row[P_TYPE])
    if kind == BOX:
        return hit_box(lx, ly, lz, ux, uy, uz, t_min)
    if kind == ELLIPSOID:
        return hit_ellipsoid(lx, ly, lz, ux, uy, uz, t_min)
    shape = row[P_SHAPE : P_SHAPE + 4]
    if kind == FRUSTUM:
        return hit_frustum(lx, ly, lz, ux, uy, uz, t_min, shape[0], shape[1], shape[2])
    if kind == BLOB:
        return hit_blob(lx, ly, lz, ux, uy, uz, t_min, shape)
    return hit_wedge(lx, ly, lz, ux, uy, uz, t_min, shape)


@device
def unit_normal(row, x, y, z):
    """Outward gradient direction in the unit frame at a surface point (not normalised)."""
    kind = int(row[P_TYPE])
    shape = row[P_SHAPE : P_SHAPE + 4]
    if kind in (ELLIPSOID, BLOB):
        return x, y, z
    if kind == FRUSTUM:
        mid = 0.5 * (1.0 + shape[0])
        slope = 0.5 * (shape[0] - 1.0)
        radius = mid + slope * z
        rr = x * x + y * y
        inside = shape[1] > 0.0 and rr < (radius * 0.5 * (1.0 + shape[1])) ** 2
        if abs(z) > 0.9999 or (inside and z < -1.0 + 1.001 * shape[2]):
            return 0.0, 0.0, z
        return x, y, -slope * math.sqrt(rr)
    if kind == BOX:
        ax, ay, az = abs(x), abs(y), abs(z)
        if ax >= ay and ax >= az:
            return x, 0.0, 0.0
        if ay >= az:
            return 0.0, y, 0.0
        return 0.0, 0.0, z
    best = -1e30
    face = 0
    for i in range(6):
        value = _wedge_faces(x, y, z, shape, i)
        if value > best:
            best = value
            face = i
    if face < 2:
        return 0.0, 0.0, 1.0 if face == 0 else -1.0
    sign = 1.0 if face % 2 == 0 else -1.0
    if face > 3:
        return 0.0, sign, -0.5 * (sign * shape[3] + shape[1] - 1.0)
    return sign, 0.0, -0.5 * (sign * shape[2] + shape[0] - 1.0)
