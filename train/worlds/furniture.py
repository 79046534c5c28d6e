# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Furniture. Every piece stands at the origin on the floor, its back to -y, its front to +y.

Each function returns the (width, depth, height) of the space that it takes.
"""

from __future__ import annotations

from train.worlds.clutter import scatter, shelf_row
from train.worlds.materials import Materials
from train.worlds.scene import SceneBuilder

Size = tuple[float, float, float]


def _legs(b: SceneBuilder, mat: int, width: float, depth: float, height: float, thick: float,
          round_: bool, splay: float = 0.0) -> None:
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (width - thick) / 2, sy * (depth - thick) / 2
            if round_:
                b.strut((x + sx * splay, y + sy * splay, 0.), (x, y, height), thick, mat, top=1.2)
            else:
                b.box((x, y, height / 2), (thick, thick, height), mat)


def table(b: SceneBuilder, m: Materials, size: Size | None = None, things: bool = True) -> Size:
    """Dining or work table, 0.71-0.77 m high."""
    rng = m.rng
    w, d, h = size or (rng.uniform(.8, 2.0), rng.uniform(.6, 1.0), rng.uniform(.71, .77))
    top, leg = m.wood(), m.wood()
    if rng.random() < .3:
        leg = m.metal()
    slab = rng.uniform(.018, .05)
    if rng.random() < .15 and size is None:
        w = d = rng.uniform(.7, 1.2)
        b.rod((0, 0, h - slab / 2), w, slab, top)
        b.rod((0, 0, h / 2), .09, h - slab, leg)
        b.rod((0, 0, .02), .5, .04, leg, top=.7)
    else:
        b.box((0, 0, h - slab / 2), (w, d, slab), top, bevel=.008)
        _legs(b, leg, w - .06, d - .06, h - slab, rng.uniform(.035, .09), rng.random() < .4)
        if rng.random() < .6:
            for y in (-d / 2 + .08, d / 2 - .08):
                b.box((0, y, h - slab - .05), (w - .16, .02, .09), leg)
    if things:
        with b.at(0, 0, h):
            scatter(b, m, w * .85, d * .8, int(rng.integers(0, 9)))
    return w, d, h


def coffee_table(b: SceneBuilder, m: Materials) -> Size:
    """Low table."""
    rng = m.rng
    return table(b, m, (rng.uniform(.7, 1.3), rng.uniform(.45, .7), rng.uniform(.36, .48)))


def chair(b: SceneBuilder, m: Materials) -> Size:
    """Chair with the seat at 0.45 m."""
    rng = m.rng
    frame = m.wood() if rng.random() < .7 else m.metal()
    seat = m.fabric() if rng.random() < .4 else frame
    w, d, h = rng.uniform(.4, .5), rng.uniform(.4, .48), rng.uniform(.43, .48)
    back = rng.uniform(.8, 1.02)
    leg = rng.uniform(.025, .045)
    b.box((0, 0, h - .02), (w, d, .04), seat, bevel=.015)
    _legs(b, frame, w, d, h - .03, leg, rng.random() < .5, rng.uniform(0., .03))
    for sx in (-1, 1):
        b.box((sx * (w - leg) / 2, -d / 2 + .01, (h + back) / 2), (leg, leg, back - h), frame, rot=(.1, 0, 0))
    style = rng.random()
    if style < .4:
        for z in (.35, .62, .9):
            b.box((0, -d / 2 + .02, h + z * (back - h)), (w - leg, .018, .06), frame)
    elif style < .7:
        for i in range(4):
            b.box(((i - 1.5) * w / 5, -d / 2 + .015, (h + back) / 2), (.025, .015, back - h - .04), frame)
        b.box((0, -d / 2, back - .03), (w, .022, .07), frame)
    else:
        b.box((0, -d / 2 + .02, h + .6 * (back - h)), (w - leg, .03, .65 * (back - h)), seat, rot=(.1, 0, 0), bevel=.015)
    return w, d, back


def office_chair(b: SceneBuilder, m: Materials) -> Size:
    """Swivel chair."""
    cloth = m.fabric() if m.rng.random() < .6 else m.dark
    h = m.rng.uniform(.44, .54)
    for i in range(5):
        with b.at(0, 0, 0, i * 1.2566):
            b.box((.15, 0, .08), (.3, .04, .03), m.dark, rot=(0, .1, 0))
            b.ball((.3, 0, .03), (.05, .05, .06), m.dark)
    b.rod((0, 0, h / 2), .05, h, m.chrome)
    b.box((0, 0, h), (.48, .48, .09), cloth, bevel=.04)
    b.box((0, -.24, h + .36), (.44, .07, .52), cloth, rot=(.12, 0, 0), bevel=.03)
    for sx in (-1, 1):
        b.box((sx * .26, 0, h + .2), (.05, .25, .03), m.dark)
        b.box((sx * .26, 0, h + .1), (.03, .05, .2), m.dark)
    return .65, .65, h + .6


def sofa(b: SceneBuilder, m: Materials, seats: int | None = None) -> Size:
    """Sofa or armchair."""
    rng = m.rng
    n = seats or int(rng.integers(1, 4))
    each = rng.uniform(.58, .75)
    w, d, h = n * each + .36, rng.uniform(.8, .98), rng.uniform(.75, .92)
    cloth = m.fabric()
    pillow = m.fabric()
    seat = rng.uniform(.4, .46)
    b.box((0, .03, .2), (w - .04, d - .08, .26), cloth, bevel=.04)
    b.box((0, -d / 2 + .12, h / 2 + .03), (w - .1, .2, h - .08), cloth, bevel=.06, rot=(.08, 0, 0))
    for sx in (-1, 1):
        b.box((sx * (w / 2 - .09), .02, .32), (.18, d - .06, .56), cloth, bevel=.06)
        b.box((sx * (w / 2 - .1), d / 2 - .12, .04), (.05, .05, .08), m.dark)
    for i in range(n):
        x = (i - (n - 1) / 2) * each
        b.box((x, .1, seat - .06), (each - .015, d - .3, .15), cloth, bevel=.05)
        b.box((x, -d / 2 + .27, seat + .2), (each - .03, .15, .38), cloth, bevel=.06, rot=(.2, 0, 0))
    for _ in range(int(rng.integers(0, 3))):
        b.box((rng.uniform(-.4, .4) * n * each, -d / 2 + .42, seat + .17), (.4, .12, .36), pillow,
              rot=(.4, rng.uniform(-.3, .3), 0), bevel=.06)
    return w, d, h


def bed(b: SceneBuilder, m: Materials) -> Size:
    """Bed of 2 m length."""
    rng = m.rng
    w = float(rng.choice([.9, 1.0, 1.4, 1.6, 1.8]))
    d, h = 2.08, rng.uniform(.42, .6)
    frame, sheet, cover, pillow = m.wood(), m.white, m.fabric(), m.fabric()
    b.box((0, 0, .2), (w + .06, d, .2), frame)
    _legs(b, frame, w, d, .2, .06, False)
    b.box((0, -d / 2 - .02, rng.uniform(.4, .6)), (w + .08, .05, rng.uniform(.7, 1.1)), frame, bevel=.02)
    b.box((0, 0, h - .11), (w, d - .08, .22), sheet, bevel=.05)
    b.box((0, .25, h - .06), (w + .06, d - .55, .2), cover, bevel=.06)
    for x in ((-w / 4, w / 4) if w > 1.2 else (0.,)):
        b.ball((x, -d / 2 + .32, h + .06), (min(.7, w * .46), .42, .2), pillow if rng.random() < .5 else sheet)
    return w + .1, d + .1, 1.0


def wardrobe(b: SceneBuilder, m: Materials) -> Size:
    """Wardrobe with doors, or a refrigerator-like cupboard."""
    rng = m.rng
    doors = int(rng.integers(1, 5))
    w, d, h = doors * rng.uniform(.4, .55), rng.uniform(.4, .62), rng.uniform(1.7, 2.25)
    body = m.wood() if rng.random() < .6 else m.paint(m.pick(((.7, .7, .68), (.5, .48, .42))))
    front = body if rng.random() < .7 else m.wood()
    b.box((0, 0, h / 2), (w, d, h), body)
    each = w / doors
    for i in range(doors):
        x = (i - (doors - 1) / 2) * each
        b.box((x, d / 2 + .009, h / 2 + .03), (each - .008, .018, h - .1), front)
        if rng.random() < .3:
            b.box((x, d / 2 + .02, h / 2 + .03), (each - .14, .012, h - .3), front, bevel=.015)
        side = 1 if i % 2 == 0 else -1
        b.box((x + side * (each / 2 - .05), d / 2 + .035, 1.0), (.015, .03, .16), m.chrome)
    return w, d + .05, h


def drawers(b: SceneBuilder, m: Materials) -> Size:
    """Chest of drawers or sideboard, 0.5-1.1 m high."""
    rng = m.rng
    w, d, h = rng.uniform(.5, 1.6), rng.uniform(.38, .5), rng.uniform(.5, 1.1)
    body, knob = m.wood(), m.chrome if rng.random() < .6 else m.dark
    rows, columns = max(2, round(h / .22)), max(1, round(w / .6))
    b.box((0, 0, h / 2), (w, d, h), body)
    b.box((0, .005, h - .012), (w + .03, d + .03, .024), body)
    for r in range(rows):
        for c in range(columns):
            x, z = (c - (columns - 1) / 2) * w / columns, (r + .5) * (h - .04) / rows + .01
            b.box((x, d / 2 + .008, z), (w / columns - .02, .016, (h - .04) / rows - .02), body, bevel=.006)
            b.rod((x, d / 2 + .03, z), .03, .03, knob, rot=(1.57, 0, 0))
    with b.at(0, 0, h):
        scatter(b, m, w * .85, d * .7, int(rng.integers(1, 6)))
    return w, d, h


def shelf(b: SceneBuilder, m: Materials) -> Size:
    """Open shelf full of things."""
    rng = m.rng
    w, d = rng.uniform(.6, 1.8), rng.uniform(.24, .42)
    floors = int(rng.integers(3, 7))
    gap = rng.uniform(.27, .4)
    h = floors * gap + .1
    body = m.wood() if rng.random() < .7 else m.metal()
    for sx in (-1, 1):
        b.box((sx * (w / 2 - .01), 0, h / 2), (.022, d, h), body)
    if rng.random() < .7:
        b.box((0, -d / 2 + .006, h / 2), (w, .01, h), body)
    for i in range(floors + 1):
        b.box((0, 0, .06 + i * gap), (w, d, .022), body)
        if i < floors:
            with b.at(0, 0, .072 + i * gap):
                shelf_row(b, m, w - .05, d - .04, gap - .05)
    return w, d, h


def kitchen(b: SceneBuilder, m: Materials, width: float) -> Size:
    """Kitchen line: base units with a worktop at 0.9 m, wall units, sink, hob, things."""
    rng = m.rng
    front = m.paint(f0=.04) if rng.random() < .6 else m.wood()
    top = m.add(10, m.pick(((.1, .1, .1), (.5, .48, .45), (.35, .3, .25))), (.06, .06, .06), sx=.006, contrast=.2, f0=.04) \
        if rng.random() < .5 else m.wood(gloss=True)
    units = max(1, round(width / .6))
    each = width / units
    h, d = rng.uniform(.86, .94), .6
    b.box((0, -.02, h / 2 + .03), (width, d - .06, h - .1), front)
    b.box((0, -.06, .05), (width, d - .1, .1), m.dark)
    b.box((0, 0, h - .02), (width + .02, d + .02, .04), top, bevel=.006)
    for i in range(units):
        x = (i - (units - 1) / 2) * each
        b.box((x, d / 2 - .04, h / 2 + .05), (each - .006, .02, h - .16), front)
        if rng.random() < .4:
            b.box((x, d / 2 - .029, h - .2), (each - .004, .003, .006), m.dark)
        b.box((x, d / 2 - .015, h - .14), (each * .5, .02, .012), m.chrome)
    wall = rng.random() < .8
    tall = rng.uniform(.5, .8)
    for i in range(units):
        x = (i - (units - 1) / 2) * each
        if wall and rng.random() < .85:
            b.box((x, -.12, 1.42 + tall / 2), (each - .002, .34, tall), front)
            b.box((x, .055, 1.42 + tall / 2), (each - .01, .018, tall - .01), front)
            b.box((x + each * .35, .07, 1.5), (.012, .02, .12), m.chrome)
    b.box((0, -d / 2 + .01, 1.15), (width, .015, .5), m.add(3, m.hue((0., .4), (.5, .95)), (.5, .5, .48), sx=.15, sy=.15, p1=.004, f0=.05, contrast=.1))
    if rng.random() < .7:
        b.box((-width * .25, 0, h + .002), (.5, .4, .012), m.chrome)
        b.box((-width * .25, 0, h + .006), (.42, .32, .01), m.metal())
        b.strut((-width * .25, -.22, h), (-width * .25, -.22, h + .25), .025, m.chrome)
        b.strut((-width * .25, -.22, h + .25), (-width * .25, -.04, h + .2), .02, m.chrome)
    if rng.random() < .6 and width > 1.5:
        b.box((width * .25, 0, h + .004), (.58, .5, .01), m.glass())
    with b.at(0, -.05, h):
        scatter(b, m, width * .9, .4, int(rng.integers(2, 5 + int(3 * width))))
    return width, d, h


def desk(b: SceneBuilder, m: Materials) -> Size:
    """Desk with a computer."""
    rng = m.rng
    w, d, h = table(b, m, (rng.uniform(1.1, 1.8), rng.uniform(.6, .8), rng.uniform(.71, .76)), things=False)
    with b.at(0, 0, h):
        for x in ((0.,) if rng.random() < .6 else (-.32, .3)):
            monitor(b, m, x, -d / 2 + .18)
        b.box((0, .08, .012), (.44, .14, .02), m.dark)
        b.box((0, .08, .023), (.42, .12, .004), m.add(3, (.05, .05, .055), (.015, .015, .015), sx=.019, sy=.019, p1=.004))
        b.ball((.32, .1, .015), (.06, .1, .035), m.dark)
        with b.at(rng.uniform(-.1, .1), 0):
            scatter(b, m, w * .9, d * .8, int(rng.integers(1, 7)), clear=.3)
    return w, d, h


def monitor(b: SceneBuilder, m: Materials, x: float, y: float) -> None:
    """Monitor on a stand, on the surface z = 0."""
    w = m.rng.uniform(.42, .62)
    z = m.rng.uniform(.3, .38)
    b.box((x, y, z), (w, .035, w * .6), m.dark)
    b.box((x, y + .018, z), (w - .03, .004, w * .6 - .03), m.screen() if m.rng.random() < .6 else m.glass(), exact=True)
    b.box((x, y - .03, z / 2), (.05, .03, z), m.dark)
    b.box((x, y, .008), (.24, .18, .016), m.dark)


def television(b: SceneBuilder, m: Materials) -> Size:
    """Low board with a television."""
    rng = m.rng
    w = rng.uniform(1.1, 1.8)
    wide = rng.uniform(.8, 1.3)
    b.box((0, 0, .22), (w, .4, .42), m.wood())
    b.box((0, .205, .22), (w - .04, .012, .36), m.wood())
    b.box((0, -.05, .5 + wide * .29), (wide, .05, wide * .58), m.dark)
    b.box((0, -.023, .5 + wide * .29), (wide - .03, .006, wide * .58 - .03), m.screen() if rng.random() < .4 else m.glass(), exact=True)
    b.box((0, -.05, .45), (.4, .2, .03), m.dark)
    return w, .42, .5


def plant(b: SceneBuilder, m: Materials) -> Size:
    """Pot plant."""
    rng = m.rng
    pot = rng.uniform(.2, .4)
    h = rng.uniform(.6, 1.7)
    b.rod((0, 0, pot * .45), pot * .8, pot * .9, m.plastic(), top=1.25, hollow=.85, floor=1.6)
    b.strut((0, 0, pot * .5), (0, 0, h * .7), .03, m.bark())
    leaf = m.foliage()
    for _ in range(int(rng.integers(2, 5))):
        s = h * rng.uniform(.3, .55)
        b.leaves((rng.uniform(-.12, .12), rng.uniform(-.12, .12), h * rng.uniform(.6, .95)), (s, s, s), leaf, .05, .62)
    return .5, .5, h


def floor_lamp(b: SceneBuilder, m: Materials) -> Size:
    """Standard lamp."""
    h = m.rng.uniform(1.4, 1.8)
    b.rod((0, 0, .015), .28, .03, m.dark)
    b.rod((0, 0, h / 2), .025, h, m.chrome)
    b.rod((0, 0, h), .4, .28, m.glow((.8, .68, .45), m.rng.choice([.2, 2.])), top=.7)
    return .4, .4, h


def heap_of_boxes(b: SceneBuilder, m: Materials) -> Size:
    """Storage: cardboard boxes, crates, bins on the floor."""
    rng = m.rng
    for _ in range(int(rng.integers(1, 5))):
        s = rng.uniform(.2, .5, 3)
        mat = m.cardboard() if rng.random() < .6 else m.plastic()
        x, y, turn = rng.uniform(-.4, .4), rng.uniform(-.3, .3), rng.uniform(-.4, .4)
        b.box((x, y, s[2] / 2), tuple(s), mat, rot=(0, 0, turn))
        if rng.random() < .5:
            b.box((x, y, s[2] * 1.4), (s[0] * .8, s[1] * .8, s[2] * .8), m.cardboard(), rot=(0, 0, turn + rng.uniform(-.4, .4)))
    if rng.random() < .4:
        b.rod((.5, .1, .18), .24, .36, m.plastic(), top=1.2, hollow=.93, floor=.1)
    return 1.3, .8, .8


def appliance(b: SceneBuilder, m: Materials) -> Size:
    """Washing machine, refrigerator or boiler."""
    rng = m.rng
    white = m.paint(m.pick(((.7, .7, .7), (.72, .7, .64), (.3, .3, .3))), f0=.04)
    roll = rng.random()
    if roll < .4:
        b.box((0, 0, .425), (.6, .58, .85), white, bevel=.02)
        b.rod((0, .295, .42), .36, .04, m.chrome, rot=(1.57, 0, 0))
        b.rod((0, .31, .42), .28, .03, m.glass(), rot=(1.57, 0, 0))
        b.box((0, .292, .77), (.56, .01, .12), m.printed(), exact=True)
        return .62, .65, .85
    if roll < .8:
        h = rng.uniform(1.4, 2.0)
        b.box((0, 0, h / 2), (.6, .6, h), white, bevel=.02)
        b.box((0, .31, h * .33), (.59, .03, h * .6), white, bevel=.02)
        b.box((0, .31, h * .82), (.59, .03, h * .33), white, bevel=.02)
        b.box((.24, .34, h * .5), (.02, .04, .35), m.chrome)
        return .62, .66, h
    b.rod((0, 0, .8), .5, 1.3, white)
    for x in (-.1, .1):
        b.strut((x, 0, 1.4), (x, 0, 2.2), .04, m.metal())
    return .6, .6, 1.6


ALONG_WALL = (shelf, shelf, wardrobe, drawers, desk, sofa, television, plant, appliance, heap_of_boxes, bed, floor_lamp, chair, table)
FREE = (table, coffee_table, chair, office_chair, sofa, plant, heap_of_boxes, table)
