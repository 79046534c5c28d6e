# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light arriving at a point (device). Irradiance is divided by pi: radiance = albedo * light."""

import math

import numpy as np

from train.worlds.kernels.bvh import any_hit, closest_hit
from train.worlds.kernels.jit import device
from train.worlds.kernels.layout import (
    E_AMBIENT,
    E_CLOUD,
    E_HORIZON,
    E_OUTDOOR,
    E_PANO,
    E_PANO_YAW,
    E_SEED,
    E_SUN,
    E_SUNGLOW,
    E_ZENITH,
    L_COLOUR,
    L_NORMAL,
    L_POS,
    L_RADIUS,
    L_TYPE,
    M_EMIT,
    M_MEAN,
    P_MAT,
    S_BOXES,
    S_ENV,
    S_LIGHTS,
    S_LINKS,
    S_MATS,
    S_PANOS,
    S_PRIMS,
    SUN,
    WINDOW,
)
from train.worlds.kernels.noise import fbm2, floor, hash3
from train.worlds.kernels.photo import blend
from train.worlds.kernels.surface import world_normal

FAR = np.float32(1e4)


@device
def _bilinear(pano, ix, iy, channel, u, v):
    """One channel of a panorama in [0, 1] at (ix + u, iy + v)."""
    return blend(
        pano[iy, ix, channel],
        pano[iy, ix + 1, channel],
        pano[iy + 1, ix, channel],
        pano[iy + 1, ix + 1, channel],
        u,
        v,
    )


@device
def _panorama(scene, dx, dy, dz):
    """Sky of a photographic panorama [P, H, W, 3]; its horizon is shifted down out of sight."""
    env = scene[S_ENV]
    pano = scene[S_PANOS][int(env[E_PANO])]
    height, width = pano.shape[0], pano.shape[1]
    turn = (math.atan2(dy, dx) + env[E_PANO_YAW]) / 6.283185
    turn -= floor(turn)
    elevation = max(0.0, math.asin(min(1.0, max(-1.0, dz)))) / 1.5708
    x = turn * np.float32(width - 1)
    y = (0.38 - 0.37 * elevation) * np.float32(height - 1)
    ix, iy = min(width - 2, int(x)), min(height - 2, max(0, int(y)))
    u, v = x - np.float32(ix), y - np.float32(iy)
    r = _bilinear(pano, ix, iy, 0, u, v)
    g = _bilinear(pano, ix, iy, 1, u, v)
    b = _bilinear(pano, ix, iy, 2, u, v)
    gain = 1.6 * (env[E_HORIZON] + env[E_HORIZON + 1] + env[E_HORIZON + 2]) / 3.0
    return r * r * gain, g * g * gain, b * b * gain


@device
def sky_radiance(scene, dx, dy, dz):
    """Return the radiance of the sky along a unit direction; indoors, the ambient light."""
    env = scene[S_ENV]
    if env[E_OUTDOOR] < 0.5:
        return env[E_AMBIENT], env[E_AMBIENT + 1], env[E_AMBIENT + 2]
    if env[E_PANO] >= 0.0:
        return _panorama(scene, dx, dy, dz)
    up = max(0.0, dz)
    mix = math.sqrt(up)
    r = env[E_HORIZON] + (env[E_ZENITH] - env[E_HORIZON]) * mix
    g = env[E_HORIZON + 1] + (env[E_ZENITH + 1] - env[E_HORIZON + 1]) * mix
    b = env[E_HORIZON + 2] + (env[E_ZENITH + 2] - env[E_HORIZON + 2]) * mix
    white = (env[E_HORIZON] + env[E_HORIZON + 1] + env[E_HORIZON + 2]) * 0.4
    if env[E_CLOUD] > 0.0 and up > 0.01:
        scale = 1.0 / (up + 0.12)
        cloud = fbm2(dx * scale, dy * scale, 1.1, 0.05, int(env[E_SEED])) + env[E_CLOUD] - 0.5
        cover = min(1.0, max(0.0, cloud * 4.0))
        tone = white * (1.15 - 0.5 * max(0.0, cloud))
        r, g, b = r + (tone - r) * cover, g + (tone - g) * cover, b + (tone - b) * cover
    towards = max(0.0, dx * env[E_SUN] + dy * env[E_SUN + 1] + dz * env[E_SUN + 2])
    glow = env[E_SUNGLOW] * towards**24.0 * white
    return r + glow, g + glow, b + glow * 0.9


@device
def light_at(scene, index, px, py, pz, nx, ny, nz, h1, h2, h3, shadow):
    """Light of one lamp at a surface point -> (r, g, b); h1..h3 jitter its shadow."""
    light = scene[S_LIGHTS][index]
    kind = int(light[L_TYPE])
    spread = 2.0 * light[L_RADIUS]
    lx = light[L_POS] + spread * (h1 - 0.5)
    ly = light[L_POS + 1] + spread * (h2 - 0.5)
    lz = light[L_POS + 2] + spread * (h3 - 0.5)
    reach = FAR
    gain = 1.0
    if kind != SUN:
        lx, ly, lz = lx - px, ly - py, lz - pz
        reach = math.sqrt(lx * lx + ly * ly + lz * lz + 1e-6)
        gain = 1.0 / (reach * reach + 0.05)
        lx, ly, lz = lx / reach, ly / reach, lz / reach
        if kind == WINDOW:
            gain *= max(
                0.0, -(lx * light[L_NORMAL] + ly * light[L_NORMAL + 1] + lz * light[L_NORMAL + 2])
            )
    gain *= nx * lx + ny * ly + nz * lz
    if gain <= 1e-5:
        return 0.0, 0.0, 0.0
    if shadow:
        ox, oy, oz = px + 2e-3 * nx, py + 2e-3 * ny, pz + 2e-3 * nz
        if any_hit(
            scene[S_PRIMS],
            scene[S_BOXES],
            scene[S_LINKS],
            ox,
            oy,
            oz,
            lx,
            ly,
            lz,
            1e-3,
            reach - 0.12,
        ):
            return 0.0, 0.0, 0.0
    return gain * light[L_COLOUR], gain * light[L_COLOUR + 1], gain * light[L_COLOUR + 2]


@device
def bounce_light(scene, px, py, pz, nx, ny, nz, h1, h2, h3):
    """Return one cosine-distributed sample of the light from the sky and other surfaces."""
    phi = 6.283185 * h1
    zz = 1.0 - 2.0 * h2
    rr = math.sqrt(max(0.0, 1.0 - zz * zz))
    dx, dy, dz = nx + rr * math.cos(phi), ny + rr * math.sin(phi), nz + zz
    length = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
    dx, dy, dz = dx / length, dy / length, dz / length
    ox, oy, oz = px + 2e-3 * nx, py + 2e-3 * ny, pz + 2e-3 * nz
    t, which = closest_hit(
        scene[S_PRIMS], scene[S_BOXES], scene[S_LINKS], ox, oy, oz, dx, dy, dz, 1e-3, FAR
    )
    if which < 0:
        return sky_radiance(scene, dx, dy, dz)
    row = scene[S_PRIMS][which]
    m = scene[S_MATS][int(row[P_MAT])]
    hx, hy, hz = ox + t * dx, oy + t * dy, oz + t * dz
    mx, my, mz = world_normal(row, hx, hy, hz, dx, dy, dz)
    env = scene[S_ENV]
    r, g, b = env[E_AMBIENT], env[E_AMBIENT + 1], env[E_AMBIENT + 2]
    for i in range(scene[S_LIGHTS].shape[0]):
        lr, lg, lb = light_at(scene, i, hx, hy, hz, mx, my, mz, h3, 0.5, 0.5, i == 0)
        top = max(lr, lg, lb)
        keep = 1.0 / (1.0 + 0.5 * top)  # hits close to a lamp would cause bright specks
        r, g, b = r + lr * keep, g + lg * keep, b + lb * keep
    glow = min(0.5, m[M_EMIT])
    return (r + glow) * m[M_MEAN], (g + glow) * m[M_MEAN + 1], (b + glow) * m[M_MEAN + 2]


@device
def pixel_random(scene, x, y, salt):
    """Return a random number in [0, 1) for a pixel."""
    return hash3(x, y, int(scene[S_ENV][E_SEED]) * 64 + salt)
