# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stackless bounding volume hierarchy, the same on CPU and GPU.

The tree is built once per scene. For each view, its nodes are written in depth-first order, the
child nearer to the camera first, each with the index of the node that follows after a miss.
"""

import numpy as np

from train.worlds.kernels.intersect import hit_primitive
from train.worlds.kernels.jit import device, host


@host
def build_tree(lower, upper):
    """Build a tree by the surface area heuristic over boxes [N, 3] -> (bounds, child, leaf)."""
    count = lower.shape[0]
    bounds = np.zeros((2 * count, 6), np.float32)
    child = np.full((2 * count, 2), -1, np.int32)
    leaf = np.full(2 * count, -1, np.int32)
    order = np.arange(count)
    centre = 0.5 * (lower + upper)
    right_area = np.zeros(count + 1, np.float32)
    stack = [(0, 0, count)]
    used = 1
    while len(stack) > 0:
        node, begin, end = stack.pop()
        for axis in range(3):
            bounds[node, axis] = lower[order[begin:end], axis].min()
            bounds[node, 3 + axis] = upper[order[begin:end], axis].max()
        if end - begin == 1:
            leaf[node] = order[begin]
            continue
        best_cost = np.float32(1e30)
        best_split = begin + 1
        best_order = order[begin:end].copy()
        for axis in range(3):
            items = order[begin:end].copy()
            items = items[np.argsort(centre[items, axis])]
            size = end - begin
            low = np.full(3, np.float32(1e30), np.float32)
            high = np.full(3, np.float32(-1e30), np.float32)
            for i in range(size - 1, 0, -1):
                for k in range(3):
                    low[k] = min(low[k], lower[items[i], k])
                    high[k] = max(high[k], upper[items[i], k])
                e = high - low
                right_area[i] = e[0] * e[1] + e[1] * e[2] + e[2] * e[0]
            low[:] = np.float32(1e30)
            high[:] = np.float32(-1e30)
            for i in range(1, size):
                for k in range(3):
                    low[k] = min(low[k], lower[items[i - 1], k])
                    high[k] = max(high[k], upper[items[i - 1], k])
                e = high - low
                area = e[0] * e[1] + e[1] * e[2] + e[2] * e[0]
                cost = area * i + right_area[i] * (size - i)
                if cost < best_cost:
                    best_cost = cost
                    best_split = begin + i
                    best_order = items
        order[begin:end] = best_order
        child[node, 0] = used
        child[node, 1] = used + 1
        stack.append((used, begin, best_split))
        stack.append((used + 1, best_split, end))
        used += 2
    return bounds[:used], child[:used], leaf[:used]


@host
def thread_tree(bounds, child, leaf, eye):
    """Order the nodes for an eye point -> boxes [K, 6], links [K, 2] (skip index, primitive)."""
    count = bounds.shape[0]
    boxes = np.empty((count, 6), np.float32)
    links = np.empty((count, 2), np.int32)
    position = np.empty(count, np.int32)
    size = np.ones(count, np.int32)
    for node in range(count - 1, -1, -1):  # children have larger indices than their parent
        if leaf[node] < 0:
            size[node] += size[child[node, 0]] + size[child[node, 1]]
    position[0] = 0
    for node in range(count):
        at = position[node]
        boxes[at] = bounds[node]
        links[at, 0] = at + size[node]
        links[at, 1] = leaf[node]
        if leaf[node] < 0:
            first, second = child[node, 0], child[node, 1]
            gap = np.zeros(2)
            for side in range(2):
                which = child[node, side]
                for k in range(3):
                    out = max(bounds[which, k] - eye[k], eye[k] - bounds[which, 3 + k], 0.0)
                    gap[side] += out * out
            if gap[1] < gap[0]:
                first, second = second, first
            position[first] = at + 1
            position[second] = at + 1 + size[first]
    return boxes, links


# Unsigned, because numba checks signed indices for negative values, which costs in every step.
_FIRST = np.uint64(0)
_NEXT = np.uint64(1)


@device
def _inverse(d):
    return 1.0 / d if abs(d) > 1e-9 else 1e9


@device
def _enters(boxes, node, ox, oy, oz, ix, iy, iz, t_min, t_max):
    """Return whether the ray crosses the box of a node between t_min and t_max.

    The box is treated as slightly larger, near and far away, because rounding would let rays pass
    between the boxes of touching primitives, and past flat ones.
    """
    ax = (boxes[node, 0] - ox) * ix
    bx = (boxes[node, 3] - ox) * ix
    ay = (boxes[node, 1] - oy) * iy
    by = (boxes[node, 4] - oy) * iy
    az = (boxes[node, 2] - oz) * iz
    bz = (boxes[node, 5] - oz) * iz
    near = max(min(ax, bx), min(ay, by), min(az, bz))
    far = min(max(ax, bx), max(ay, by), max(az, bz))
    return near <= 1.000001 * far + 1e-5 and far > t_min and near < t_max


@device
def closest_hit(prims, boxes, links, ox, oy, oz, dx, dy, dz, t_min, t_max):
    """Find the nearest primitive along the ray -> (t, index), (t_max, -1) if none."""
    ix, iy, iz = _inverse(dx), _inverse(dy), _inverse(dz)
    best = t_max
    found = -1
    node = _FIRST
    count = np.uint64(links.shape[0])
    while node < count:
        if _enters(boxes, node, ox, oy, oz, ix, iy, iz, t_min, best):
            which = links[node, 1]
            if which >= 0:
                t = hit_primitive(prims[which], ox, oy, oz, dx, dy, dz, t_min)
                if t_min < t < best:
                    best = t
                    found = which
            node += _NEXT
        else:
            node = np.uint64(links[node, 0])
    return best, found


@device
def any_hit(prims, boxes, links, ox, oy, oz, dx, dy, dz, t_min, t_max):
    """Return whether the ray hits anything between t_min and t_max."""
    ix, iy, iz = _inverse(dx), _inverse(dy), _inverse(dz)
    node = _FIRST
    count = np.uint64(links.shape[0])
    while node < count:
        if _enters(boxes, node, ox, oy, oz, ix, iy, iz, t_min, t_max):
            which = links[node, 1]
            if which >= 0:
                t = hit_primitive(prims[which], ox, oy, oz, dx, dy, dz, t_min)
                if t_min < t < t_max:
                    return True
            node += _NEXT
        else:
            node = np.uint64(links[node, 0])
    return False
