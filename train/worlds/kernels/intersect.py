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

from train.worlds.kernels.jit import device
from train.worlds.kernels.layout import BLOB, BOX, ELLIPSOID, FRUSTUM, P_SHAPE, P_TYPE
from train.worlds.kernels.noise import noise3

MISS = np.float32(1e30)  # beyond the reach of any ray


@device
def hit_box(ox, oy, oz, dx, dy, dz, t_min):
    """Return the ray parameter of the entry into the cube, or MISS."""
    ix = 1.0 / (dx if abs(dx) > 1e-9 else 1e-9)
    iy = 1.0 / (dy if abs(dy) > 1e-9 else 1e-9)
    iz = 1.0 / (dz if abs(dz) > 1e-9 else 1e-9)
    ax, ay, az = abs(ix), abs(iy), abs(iz)
    cx, cy, cz = -ox * ix, -oy * iy, -oz * iz
    near = max(cx - ax, cy - ay, cz - az)
    far = min(cx + ax, cy + ay, cz + az)
    return near if near <= far and near > t_min else MISS


@device
def _half_chord(ox, oy, oz, dx, dy, dz):
    """Return the ray parameter from the middle o of a unit-sphere chord to its ends, or -1."""
    room = 1.0 - ox * ox - oy * oy - oz * oz
    return math.sqrt(room / (dx * dx + dy * dy + dz * dz)) if room > 0.0 else -1.0


@device
def hit_ellipsoid(ox, oy, oz, dx, dy, dz, t_min):
    """Return the first hit of the unit sphere by a ray nearest to its centre at o, or MISS."""
    half = _half_chord(ox, oy, oz, dx, dy, dz)
    return -half if half > 0.0 and -half > t_min else MISS


@device
def _cone_roots(ox, oy, oz, dx, dy, dz, mid, slope):
    """Return both ray parameters with x^2 + y^2 = (mid + slope z)^2 in order, MISS if none."""
    r0 = mid + slope * oz
    rd = slope * dz
    a = dx * dx + dy * dy - rd * rd
    b = ox * dx + oy * dy - r0 * rd
    c = ox * ox + oy * oy - r0 * r0
    disc = b * b - a * c
    if disc < 0.0:
        return MISS, MISS
    # Avoids cancellation, and is also right for a = 0, where one root is infinite.
    q = -b - math.copysign(math.sqrt(disc), b)
    first, second = q / a, c / q
    return min(first, second), max(first, second)


@device
def hit_frustum(ox, oy, oz, dx, dy, dz, t_min, taper, inner, floor):
    """Return the first hit of a capped cone, or of the cup that remains without its inside."""
    mid = 0.5 * (1.0 + taper)
    slope = 0.5 * (taper - 1.0)
    best = MISS
    near, far = _cone_roots(ox, oy, oz, dx, dy, dz, mid, slope)
    if near > t_min and abs(oz + near * dz) <= 1.0:
        best = near
    elif far > t_min and abs(oz + far * dz) <= 1.0:
        best = far
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
                near, far = _cone_roots(ox, oy, oz, dx, dy, dz, mid * inner, slope * inner)
                wall = near if near > t else (far if far > t else MISS)
                best = min(wall, (-1.0 + floor - oz) / dz)
    return best


@device
def _wedge_faces(x, y, z, w, shape, face):
    """Return a signed distance-like value of one of the six faces of a wedge at a point (w = 1).

    With w = 0: its rate of change along a direction.
    """
    if face == 0:
        return z - w
    if face == 1:
        return -z - w
    along = y if face > 3 else x
    scale = shape[1] if face > 3 else shape[0]
    shift = shape[3] if face > 3 else shape[2]
    rise = 0.5 * (z + w)
    along -= shift * rise
    limit = w + (scale - 1.0) * rise
    return (along if face % 2 == 0 else -along) - limit


@device
def hit_wedge(ox, oy, oz, dx, dy, dz, t_min, shape):
    """Return the ray parameter of the entry into the convex wedge, or MISS."""
    near = -MISS
    far = MISS
    for face in range(6):
        at_o = _wedge_faces(ox, oy, oz, 1.0, shape, face)
        rate = _wedge_faces(dx, dy, dz, 0.0, shape, face)
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
    last = _half_chord(ox, oy, oz, dx, dy, dz)
    first = max(-last, t_min)
    if last <= first:
        return MISS
    step = (last - first) / 7.0
    cells = shape[0]
    seed = int(shape[2])
    for i in range(7):
        t = first + (np.float32(i) + 0.3) * step
        x = ox + t * dx
        y = oy + t * dy
        z = oz + t * dz
        reach = x * x + y * y + z * z
        if reach < 1.0:
            coarse = 0.35 * cells
            value = 0.5 * noise3(x * cells, y * cells, z * cells, seed)
            value += 0.5 * noise3(x * coarse, y * coarse, z * coarse, seed + 31)
            if value > 0.98 - shape[1] + 0.42 * reach:
                return t
    return MISS


@device
def hit_primitive(row, ox, oy, oz, dx, dy, dz, t_min):
    """Return the ray parameter of the first hit with a primitive beyond t_min, or MISS."""
    lx = row[0] * ox + row[1] * oy + row[2] * oz + row[3]
    ly = row[4] * ox + row[5] * oy + row[6] * oz + row[7]
    lz = row[8] * ox + row[9] * oy + row[10] * oz + row[11]
    ux = row[0] * dx + row[1] * dy + row[2] * dz
    uy = row[4] * dx + row[5] * dy + row[6] * dz
    uz = row[8] * dx + row[9] * dy + row[10] * dz
    kind = int(row[P_TYPE])
    if kind == BOX:
        return hit_box(lx, ly, lz, ux, uy, uz, t_min)
    # Start at the ray's point nearest to the middle: from far away, the squared distance to a
    # small shape would leave no digits for its size.
    nearest = -(lx * ux + ly * uy + lz * uz) / (ux * ux + uy * uy + uz * uz)
    lx, ly, lz = lx + nearest * ux, ly + nearest * uy, lz + nearest * uz
    start = t_min - nearest
    shape = row[P_SHAPE : P_SHAPE + 4]
    if kind == ELLIPSOID:
        t = hit_ellipsoid(lx, ly, lz, ux, uy, uz, start)
    elif kind == FRUSTUM:
        t = hit_frustum(lx, ly, lz, ux, uy, uz, start, shape[0], shape[1], shape[2])
    elif kind == BLOB:
        t = hit_blob(lx, ly, lz, ux, uy, uz, start, shape)
    else:
        t = hit_wedge(lx, ly, lz, ux, uy, uz, start, shape)
    return nearest + t


@device
def unit_normal(row, x, y, z):
    """Return the outward gradient in the unit frame at a surface point (not normalised)."""
    kind = int(row[P_TYPE])
    shape = row[P_SHAPE : P_SHAPE + 4]
    if kind in (ELLIPSOID, BLOB):
        return x, y, z
    if kind == FRUSTUM:
        # The nearer of flat faces and walls, because a hit from afar is rounded off the surface.
        slope = 0.5 * (shape[0] - 1.0)
        radius = 0.5 * (1.0 + shape[0]) + slope * z
        r = math.sqrt(x * x + y * y)
        flat, wall = 1.0 - abs(z), abs(r - radius)
        if r < 0.5 * (1.0 + shape[1]) * radius and shape[1] > 0.0:
            flat, wall = min(flat, abs(z + 1.0 - shape[2])), abs(r - shape[1] * radius)
        if flat < wall:
            return 0.0, 0.0, z
        return x, y, -slope * r
    if kind == BOX:
        ax, ay, az = abs(x), abs(y), abs(z)
        if ax >= ay and ax >= az:
            return x, 0.0, 0.0
        if ay >= az:
            return 0.0, y, 0.0
        return 0.0, 0.0, z
    best = -MISS
    face = 0
    for i in range(6):
        value = _wedge_faces(x, y, z, 1.0, shape, i)
        if value > best:
            best = value
            face = i
    if face < 2:
        return 0.0, 0.0, 1.0 if face == 0 else -1.0
    sign = 1.0 if face % 2 == 0 else -1.0
    if face > 3:
        return 0.0, sign, -0.5 * (sign * shape[3] + shape[1] - 1.0)
    return sign, 0.0, -0.5 * (sign * shape[2] + shape[0] - 1.0)
