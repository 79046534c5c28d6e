# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Surface at a ray hit: world normal, texture coordinates, albedo (device)."""

import math

from train.worlds.kernels.intersect import unit_normal
from train.worlds.kernels.jit import device
from train.worlds.kernels.layout import (
    BLOB,
    BOX,
    ELLIPSOID,
    FRUSTUM,
    M_SWAP,
    P_BEVEL,
    P_HALF,
    P_MAT,
    P_SEED,
    P_SHAPE,
    P_TYPE,
    S_ATLAS,
    S_MATS,
    S_PRIMS,
    S_TILES,
)
from train.worlds.kernels.noise import hash3, whole
from train.worlds.kernels.textures import albedo_rgb


@device
def unit_point(row, px, py, pz):
    """Convert a world point to the unit frame of a primitive."""
    return (
        row[0] * px + row[1] * py + row[2] * pz + row[3],
        row[4] * px + row[5] * py + row[6] * pz + row[7],
        row[8] * px + row[9] * py + row[10] * pz + row[11],
    )


@device
def _bevelled(n, at, half, bevel):
    """Return the normal component that rounds an edge of a box: 0 away from the edge."""
    if n != 0.0:
        return n
    depth = half * (1.0 - abs(at))
    if depth >= bevel:
        return 0.0
    return math.copysign(0.8 * (1.0 - depth / bevel), at)


@device
def world_normal(row, px, py, pz, dx, dy, dz):
    """Return the unit normal at a hit, facing the incoming ray; box edges look rounded."""
    x, y, z = unit_point(row, px, py, pz)
    nx, ny, nz = unit_normal(row, x, y, z)
    hx, hy, hz = row[P_HALF], row[P_HALF + 1], row[P_HALF + 2]
    nx, ny, nz = nx / hx, ny / hy, nz / hz
    length = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
    nx, ny, nz = nx * length, ny * length, nz * length
    kind = int(row[P_TYPE])
    if kind == BOX and row[P_BEVEL] > 0.0:
        bevel = row[P_BEVEL]
        nx, ny, nz = (
            _bevelled(nx, x, hx, bevel),
            _bevelled(ny, y, hy, bevel),
            _bevelled(nz, z, hz, bevel),
        )
    elif kind == BLOB:
        cells = row[P_SHAPE] * 2.0
        ix, iy, iz = (
            whole(x * cells),
            whole(y * cells),
            whole(z * cells),
        )
        nx += 1.4 * (hash3(ix, iy, iz) - 0.5)
        ny += 1.4 * (hash3(ix, iy, iz + 77) - 0.5)
        nz += 1.4 * (hash3(ix, iy, iz + 177) - 0.3)
    nx, ny, nz = nx * hx, ny * hy, nz * hz
    wx = nx * row[0] + ny * row[4] + nz * row[8]
    wy = nx * row[1] + ny * row[5] + nz * row[9]
    wz = nx * row[2] + ny * row[6] + nz * row[10]
    length = 1.0 / math.sqrt(wx * wx + wy * wy + wz * wz + 1e-20)
    if kind != BLOB and wx * dx + wy * dy + wz * dz > 0.0:
        length = -length
    return wx * length, wy * length, wz * length


@device
def lifted(row, px, py, pz, nx, ny, nz):
    """Return the start of a shadow ray, some leaves further out in foliage, which passes light."""
    if int(row[P_TYPE]) != BLOB:
        return px, py, pz
    out = 1.2 * min(row[P_HALF], min(row[P_HALF + 1], row[P_HALF + 2])) / row[P_SHAPE]
    return px + out * nx, py + out * ny, pz + out * nz


@device
def face_coordinates(row, x, y, z):
    """Return texture coordinates (u, v) and half size (hu, hv) of the face (metres)."""
    hx, hy, hz = row[P_HALF], row[P_HALF + 1], row[P_HALF + 2]
    kind = int(row[P_TYPE])
    if kind in (ELLIPSOID, BLOB):
        return math.atan2(y, x) * hx, z * hz, 3.1416 * hx, hz
    nx, ny, nz = unit_normal(row, x, y, z)
    if kind == FRUSTUM:
        if nx == 0.0 and ny == 0.0:
            return x * hx, y * hy, hx, hy
        radius = hx * max(1.0, row[P_SHAPE])
        return math.atan2(y, x) * radius, z * hz, 3.1416 * radius, hz
    ax, ay, az = abs(nx) / hx, abs(ny) / hy, abs(nz) / hz
    if ax >= ay and ax >= az:
        return math.copysign(1.0, nx) * y * hy, z * hz, hy, hz
    if ay >= az:
        return math.copysign(1.0, -ny) * x * hx, z * hz, hx, hz
    return x * hx, y * hy, hx, hy


@device
def albedo_at(scene, which, px, py, pz, footprint):
    """Return the linear albedo of primitive `which` at a world point; footprint in metres."""
    row = scene[S_PRIMS][which]
    number = int(row[P_MAT])
    x, y, z = unit_point(row, px, py, pz)
    u, v, hu, hv = face_coordinates(row, x, y, z)
    if scene[S_MATS][number, M_SWAP] > 0.5 and hv > hu:
        u, v, hu, hv = v, u, hv, hu
    return albedo_rgb(
        scene[S_MATS],
        number,
        scene[S_ATLAS],
        scene[S_TILES],
        u,
        v,
        hu,
        hv,
        x * row[P_HALF],
        y * row[P_HALF + 1],
        z * row[P_HALF + 2],
        footprint,
        row[P_SEED],
    )
