# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Appearance of a surface point from the camera (device)."""

import math

import numpy as np

from train.worlds.kernels.bvh import closest_hit
from train.worlds.kernels.jit import device
from train.worlds.kernels.layout import (
    E_CX,
    E_CY,
    E_FX,
    E_FY,
    E_HAZE,
    E_HORIZON,
    E_POS,
    E_ROT,
    L_COLOUR,
    L_POS,
    L_TYPE,
    M_EMIT,
    M_F0,
    M_MEAN,
    M_ROUGH,
    P_MAT,
    S_BOXES,
    S_ENV,
    S_LIGHTS,
    S_LINKS,
    S_MATS,
    S_PRIMS,
    SUN,
)
from train.worlds.kernels.lighting import FAR, sky_radiance
from train.worlds.kernels.surface import albedo_at


@device
def pixel_ray(env, x, y):
    """Return the world direction of a pixel, camera-Z component 1: the ray parameter is depth."""
    a = (np.float32(x) - env[E_CX]) / env[E_FX]
    b = (np.float32(y) - env[E_CY]) / env[E_FY]
    return (
        env[E_ROT] * a + env[E_ROT + 1] * b + env[E_ROT + 2],
        env[E_ROT + 3] * a + env[E_ROT + 4] * b + env[E_ROT + 5],
        env[E_ROT + 6] * a + env[E_ROT + 7] * b + env[E_ROT + 8],
    )


@device
def _mirror(scene, which, px, py, pz, nx, ny, nz, dx, dy, dz, lr, lg, lb, h1, h2):
    """Return the weight and the radiance of the mirror reflection."""
    m = scene[S_MATS][int(scene[S_PRIMS][which][P_MAT])]
    inv = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx * inv, dy * inv, dz * inv
    cosine = max(0.0, -(dx * nx + dy * ny + dz * nz))
    fresnel = m[M_F0] + (1.0 - m[M_F0]) * (1.0 - cosine) ** 5 * (1.0 - 2.0 * min(0.5, m[M_ROUGH]))
    rough = m[M_ROUGH]
    rx, ry, rz = dx + 2.0 * cosine * nx, dy + 2.0 * cosine * ny, dz + 2.0 * cosine * nz
    _, other = closest_hit(
        scene[S_PRIMS],
        scene[S_BOXES],
        scene[S_LINKS],
        px + 2e-3 * nx,
        py + 2e-3 * ny,
        pz + 2e-3 * nz,
        rx + 0.3 * rough * (h1 - 0.5),
        ry + 0.3 * rough * (h2 - 0.5),
        rz + 0.15 * rough * (h1 - h2),
        1e-3,
        FAR,
    )
    light = scene[S_LIGHTS][0]
    lx, ly, lz = light[L_POS], light[L_POS + 1], light[L_POS + 2]
    if int(light[L_TYPE]) != SUN:
        lx, ly, lz = lx - px, ly - py, lz - pz
    inv = 1.0 / math.sqrt(lx * lx + ly * ly + lz * lz + 1e-6)
    shine = max(0.0, (lx * rx + ly * ry + lz * rz) * inv) ** (4.0 + 120.0 / (1.0 + 30.0 * rough))
    shine *= min(3.0 * lr, 1.0 + light[L_COLOUR], 3.0)
    if other < 0:
        r, g, b = sky_radiance(scene, rx, ry, rz)
        return fresnel, r + shine, g + shine, b + shine
    seen = scene[S_MATS][int(scene[S_PRIMS][other][P_MAT])]
    glow = min(1.0, seen[M_EMIT])
    return (
        fresnel,
        seen[M_MEAN] * (0.8 * lr + glow) + shine,
        seen[M_MEAN + 1] * (0.8 * lg + glow) + shine,
        seen[M_MEAN + 2] * (0.8 * lb + glow) + shine,
    )


@device
def radiance(scene, x, y, t, which, nx, ny, nz, lr, lg, lb, h1, h2):
    """Return the colour towards the camera of a hit at depth t, from the light arriving there."""
    env = scene[S_ENV]
    dx, dy, dz = pixel_ray(env, x, y)
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    if which < 0:
        return sky_radiance(scene, dx / length, dy / length, dz / length)
    px, py, pz = env[E_POS] + t * dx, env[E_POS + 1] + t * dy, env[E_POS + 2] + t * dz
    slant = max(0.12, abs(nx * dx + ny * dy + nz * dz) / length)
    footprint = t / env[E_FY] / math.sqrt(slant)
    ar, ag, ab = albedo_at(scene, which, px, py, pz, footprint)
    m = scene[S_MATS][int(scene[S_PRIMS][which][P_MAT])]
    glow = m[M_EMIT]
    r, g, b = ar * (lr + glow), ag * (lg + glow), ab * (lb + glow)
    if m[M_F0] > 0.0:
        f, mr, mg, mb = _mirror(
            scene, which, px, py, pz, nx, ny, nz, dx, dy, dz, lr, lg, lb, h1, h2
        )
        r, g, b = r + f * (mr - r), g + f * (mg - g), b + f * (mb - b)
    if env[E_HAZE] > 0.0:
        keep = math.exp(-env[E_HAZE] * t)
        r = r * keep + env[E_HORIZON] * (1.0 - keep)
        g = g * keep + env[E_HORIZON + 1] * (1.0 - keep)
        b = b * keep + env[E_HORIZON + 2] * (1.0 - keep)
    return r, g, b
