# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Columns of the flat arrays that describe a scene to the render kernels.

All arrays are float32 and every length is in metres. World frame: x east, y north, z up.
Camera frame: x right, y down, z forward (the ROS optical frame).
"""

# Primitives [N, P_COLS]: a unit shape and the affine map from the world into it.
P_A = 0  # 12: rows of the 3x4 matrix, unit = A @ (x, y, z, 1)
P_HALF = 12  # 3: half extents
P_TYPE = 15
P_MAT = 16
P_SHAPE = 17  # 4: shape parameters, see intersect.py
P_BEVEL = 21  # width of the visually rounded edge
P_SEED = 22  # texture offset; 0 keeps texture coordinates exact
P_COLS = 23

BOX, ELLIPSOID, FRUSTUM, WEDGE, BLOB = 0, 1, 2, 3, 4

# Materials [M, M_COLS].
M_KIND = 0
M_A = 1  # 3: main colour (linear)
M_B = 4  # 3: second colour
M_SX = 7  # texture period along u
M_SY = 8  # texture period along v
M_P0 = 9  # kind-specific
M_P1 = 10  # kind-specific
M_CONTRAST = 11
M_EMIT = 12  # emitted radiance relative to the albedo
M_F0 = 13  # mirror reflectance at normal incidence
M_TILE = 14  # index into the photo atlas
M_GRIME = 15  # large-scale dirt amplitude
M_MEAN = 16  # 3: mean albedo, used for indirect light
M_SEED = 19
M_SWAP = 20  # 1: let u follow the longer side of a box face (wood grain)
M_ROUGH = 21  # spread of the mirror reflection
M_COLS = 22

(
    PLAIN,
    NOISE,
    PLANKS,
    TILES,
    STRIPES,
    CHECK,
    PRINT,
    FACADE,
    ROAD,
    PHOTO,
    SPECKLE,
    GRAIN,
    BOOKS,
    LEAF,
    OUTVIEW,
    SPLAT,
) = range(16)

# A ROAD's row has M_A, M_CONTRAST, M_GRIME, M_TILE (-1: no photo) and these; its marks are the
# rows that follow it. The frame is that of the upper face of its box: u across, v along.
R_MARKS = 4  # number of marks
R_FROM, R_TO = 5, 6  # range of v of all but the first R_LONG of them
R_LANE, R_TRACK = 7, 8  # width of a lane, contrast of the tracks polished by wheels
R_HALF = 9  # half width of all lanes
R_LONG = 10
R_TILE = 21  # size of the photo

# Marks: rows of the table of materials with a different meaning; lengths in metres.
K_KIND = 0
K_COLOUR = 1  # 3
K_COVER, K_WEAR = 4, 5  # opacity, and its variation by noise
K_COS, K_SIN = 6, 7  # of the rotation of its frame (s, t) relative to (u, v)
K_X, K_Y = 8, 9  # its middle
K_HX, K_HY = 10, 11  # half size along s and t
K_P0, K_P1, K_P2 = 12, 13, 14  # see markings.py

FILL, STRIPED, FRAME, NET, ARROW, DISC, CRACK, GLYPH = range(8)

# Lights [L, L_COLS]. The first one is the key light: traced for every pixel.
L_TYPE = 0
L_POS = 1  # 3: position, or direction towards the sun
L_COLOUR = 4  # 3: irradiance of a sun; intensity (irradiance at 1 m) of a lamp or a window
L_RADIUS = 7  # size that softens the shadow (metres; radians for the sun)
L_NORMAL = 8  # 3: direction a window shines to
L_COLS = 11

SUN, LAMP, WINDOW = 0, 1, 2

# Environment of one frame [E_COLS].
E_POS = 0  # 3: camera position
E_ROT = 3  # 9: world-from-camera rotation, row-major
E_FX, E_FY, E_CX, E_CY = 12, 13, 14, 15
E_OUTDOOR = 16
E_ZENITH = 17  # 3
E_HORIZON = 20  # 3
E_SUN = 23  # 3: direction towards the sun
E_CLOUD = 26  # cloud cover, 0..1
E_HAZE = 27  # extinction per metre
E_AMBIENT = 28  # 3: radiance of light that bounced more than once
E_PANO = 31  # index of the sky panorama, -1 = procedural sky
E_PANO_YAW = 32
E_SEED = 33  # whole number below 2**20
E_SUNGLOW = 34
E_COLS = 35

# Members of the scene tuple that every device function receives.
S_PRIMS, S_MATS, S_BOXES, S_LINKS, S_LIGHTS, S_ENV, S_ATLAS, S_TILES, S_PANOS = range(9)
