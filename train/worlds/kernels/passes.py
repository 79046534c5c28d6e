# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The passes of the renderer, one function per pixel (device)."""

import math

import numpy as np

from train.worlds.kernels.bvh import closest_hit
from train.worlds.kernels.jit import device
from train.worlds.kernels.layout import E_POS, S_BOXES, S_ENV, S_LIGHTS, S_LINKS, S_PRIMS
from train.worlds.kernels.lighting import bounce_light, light_at, pixel_random
from train.worlds.kernels.shade import pixel_ray, radiance
from train.worlds.kernels.surface import lifted, world_normal

NEAR = np.float32(0.02)
LIMIT = np.float32(3000.0)  # metres along Z; nothing is modelled beyond


@device
def trace_pixel(scene, x, y):
    """Return depth along Z and primitive at a pixel position, (LIMIT, -1) for the sky."""
    env = scene[S_ENV]
    dx, dy, dz = pixel_ray(env, x, y)
    return closest_hit(
        scene[S_PRIMS],
        scene[S_BOXES],
        scene[S_LINKS],
        env[E_POS],
        env[E_POS + 1],
        env[E_POS + 2],
        dx,
        dy,
        dz,
        NEAR,
        LIMIT,
    )


@device
def _stratum(k):
    """Middle of stratum k modulo 9 of the range [0, 1]."""
    return (np.float32(k % 9) + 0.5) / 9.0


@device
def visible_pixel(scene, x, y, depth, ids, normal, key):
    """Pass 1: depth, primitive, normal and key light."""
    env = scene[S_ENV]
    dx, dy, dz = pixel_ray(env, x, y)
    t, which = trace_pixel(scene, x, y)
    ids[y, x] = which
    if which < 0:
        depth[y, x] = math.inf
        for k in range(3):
            normal[y, x, k] = 0.0
            key[y, x, k] = 0.0
        return
    depth[y, x] = t
    px, py, pz = env[E_POS] + t * dx, env[E_POS + 1] + t * dy, env[E_POS + 2] + t * dz
    nx, ny, nz = world_normal(scene[S_PRIMS][which], px, py, pz, dx, dy, dz)
    normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = nx, ny, nz
    px, py, pz = lifted(scene[S_PRIMS][which], px, py, pz, nx, ny, nz)
    # Nine strata, one per pixel of a 3 x 3 block, so that the filter of pass 4 covers all of them.
    k = x % 3 + 3 * (y % 3)
    h1, h2, h3 = _stratum(2 * k), _stratum(5 * k), _stratum(7 * k)
    r, g, b = light_at(scene, 0, px, py, pz, nx, ny, nz, h1, h2, h3, True)
    key[y, x, 0], key[y, x, 1], key[y, x, 2] = r, g, b


@device
def soft_pixel(scene, x, y, depth, ids, normal, soft):
    """Pass 2, on a grid of half the size: other lamps and bounced light at one of 2x2 pixels."""
    fx = min(depth.shape[1] - 1, 2 * x + int(2.0 * pixel_random(scene, x, y, 10)))
    fy = min(depth.shape[0] - 1, 2 * y + int(2.0 * pixel_random(scene, x, y, 11)))
    t = depth[fy, fx]
    soft[y, x, 3] = t
    soft[y, x, 4], soft[y, x, 5], soft[y, x, 6] = (
        normal[fy, fx, 0],
        normal[fy, fx, 1],
        normal[fy, fx, 2],
    )
    if t > LIMIT:
        soft[y, x, 0], soft[y, x, 1], soft[y, x, 2] = 0.0, 0.0, 0.0
        return
    env = scene[S_ENV]
    dx, dy, dz = pixel_ray(env, fx, fy)
    px, py, pz = env[E_POS] + t * dx, env[E_POS + 1] + t * dy, env[E_POS + 2] + t * dz
    nx, ny, nz = normal[fy, fx, 0], normal[fy, fx, 1], normal[fy, fx, 2]
    px, py, pz = lifted(scene[S_PRIMS][ids[fy, fx]], px, py, pz, nx, ny, nz)
    h1, h2, h3 = (
        pixel_random(scene, x, y, 12),
        pixel_random(scene, x, y, 13),
        pixel_random(scene, x, y, 14),
    )
    r, g, b = bounce_light(scene, px, py, pz, nx, ny, nz, h1, h2, h3)
    for i in range(1, scene[S_LIGHTS].shape[0]):
        lr, lg, lb = light_at(scene, i, px, py, pz, nx, ny, nz, h3, h1, h2, True)
        r, g, b = r + lr, g + lg, b + lb
    soft[y, x, 0], soft[y, x, 1], soft[y, x, 2] = r, g, b


@device
def smooth_pixel(x, y, soft, smooth):
    """Pass 3, on the half grid: average the soft light over the same surface."""
    t = soft[y, x, 3]
    if t > LIMIT:
        smooth[y, x, 0], smooth[y, x, 1], smooth[y, x, 2] = 0.0, 0.0, 0.0
        return
    nx, ny, nz = soft[y, x, 4], soft[y, x, 5], soft[y, x, 6]
    scale = 45.0 / t
    total = 1e-6
    r, g, b = 0.0, 0.0, 0.0
    # Unsigned: signed indices could count from the end, and that check hinders vector code.
    top, low = np.uint64(max(0, y - 4)), np.uint64(min(soft.shape[0], y + 5))
    left, right = np.uint64(max(0, x - 4)), np.uint64(min(soft.shape[1], x + 5))
    for j in range(top, low):
        for i in range(left, right):
            facing = soft[j, i, 4] * nx + soft[j, i, 5] * ny + soft[j, i, 6] * nz
            apart = (soft[j, i, 3] - t) * scale
            weight = facing * facing / (1.0 + apart * apart) if facing > 0.5 else 0.0
            total += weight
            r += weight * soft[j, i, 0]
            g += weight * soft[j, i, 1]
            b += weight * soft[j, i, 2]
    smooth[y, x, 0], smooth[y, x, 1], smooth[y, x, 2] = r / total, g / total, b / total


@device
def gather_pixel(x, y, depth, ids, normal, key, soft, smooth, light):
    """Pass 4: soft light from the half grid plus the key light, its shadow edge softened."""
    t = depth[y, x]
    which = ids[y, x]
    if which < 0:
        light[y, x, 0], light[y, x, 1], light[y, x, 2] = 0.0, 0.0, 0.0
        return
    nx, ny, nz = normal[y, x, 0], normal[y, x, 1], normal[y, x, 2]
    total = 1e-6
    r, g, b = 0.0, 0.0, 0.0
    for j in range(max(0, (y - 1) // 2), min(soft.shape[0], (y + 1) // 2 + 1)):
        for i in range(max(0, (x - 1) // 2), min(soft.shape[1], (x + 1) // 2 + 1)):
            facing = soft[j, i, 4] * nx + soft[j, i, 5] * ny + soft[j, i, 6] * nz
            apart = 45.0 * (soft[j, i, 3] - t) / t
            weight = max(0.0, facing) / (1.0 + apart * apart) + 1e-5
            if soft[j, i, 3] < LIMIT:
                total += weight
                r += weight * smooth[j, i, 0]
                g += weight * smooth[j, i, 1]
                b += weight * smooth[j, i, 2]
    r, g, b = r / total, g / total, b / total
    total = 0.0
    kr, kg, kb = 0.0, 0.0, 0.0
    for j in range(max(0, y - 1), min(ids.shape[0], y + 2)):
        for i in range(max(0, x - 1), min(ids.shape[1], x + 2)):
            if ids[j, i] == which:
                total += 1.0
                kr += key[j, i, 0]
                kg += key[j, i, 1]
                kb += key[j, i, 2]
    light[y, x, 0] = r + kr / total
    light[y, x, 1] = g + kg / total
    light[y, x, 2] = b + kb / total


@device
def colour_pixel(scene, x, y, depth, ids, normal, light, colour):
    """Pass 5: linear colour through the middle of the pixel."""
    r, g, b = radiance(
        scene,
        x,
        y,
        depth[y, x],
        ids[y, x],
        normal[y, x, 0],
        normal[y, x, 1],
        normal[y, x, 2],
        light[y, x, 0],
        light[y, x, 1],
        light[y, x, 2],
        pixel_random(scene, x, y, 20),
        pixel_random(scene, x, y, 21),
    )
    colour[y, x, 0], colour[y, x, 1], colour[y, x, 2] = r, g, b


@device
def _is_edge(x, y, ids, normal, colour):
    """Return whether a neighbour shows another surface in another colour."""
    own = colour[y, x, 0] + colour[y, x, 1] + colour[y, x, 2]
    for k in range(4):
        i = x + (1 if k == 0 else (-1 if k == 1 else 0))
        j = y + (1 if k == 2 else (-1 if k == 3 else 0))
        if 0 <= i < ids.shape[1] and 0 <= j < ids.shape[0]:
            other = colour[j, i, 0] + colour[j, i, 1] + colour[j, i, 2]
            if abs(own - other) > 0.15 * (own + other):
                facing = (
                    normal[j, i, 0] * normal[y, x, 0]
                    + normal[j, i, 1] * normal[y, x, 1]
                    + normal[j, i, 2] * normal[y, x, 2]
                )
                if ids[j, i] != ids[y, x] or (ids[y, x] >= 0 and facing < 0.7):
                    return True
    return False


@device
def edge_pixel(scene, x, y, depth, ids, normal, light, colour, final):
    """Pass 6: two more samples where another surface touches the pixel."""
    r, g, b = colour[y, x, 0], colour[y, x, 1], colour[y, x, 2]
    if _is_edge(x, y, ids, normal, colour):
        for k in range(2):
            sx = np.float32(x) + (0.36 if k == 0 else -0.33)
            sy = np.float32(y) + (-0.3 if k == 0 else 0.34)
            t, which = trace_pixel(scene, sx, sy)
            bi, bj, best = x, y, 1e30
            for j in range(max(0, y - 1), min(ids.shape[0], y + 2)):
                for i in range(max(0, x - 1), min(ids.shape[1], x + 2)):
                    gap = abs(depth[j, i] - t) / t + (0.0 if ids[j, i] == which else 10.0)
                    gap += 0.01 * (abs(np.float32(i) - sx) + abs(np.float32(j) - sy))
                    if gap < best:
                        bi, bj, best = i, j, gap
            sr, sg, sb = radiance(
                scene,
                sx,
                sy,
                t,
                which,
                normal[bj, bi, 0],
                normal[bj, bi, 1],
                normal[bj, bi, 2],
                light[bj, bi, 0],
                light[bj, bi, 1],
                light[bj, bi, 2],
                0.5,
                0.5,
            )
            r, g, b = r + sr, g + sg, b + sb
        r, g, b = r / 3.0, g / 3.0, b / 3.0
    final[y, x, 0], final[y, x, 1], final[y, x, 2] = r, g, b
