# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in places, at its real size: furniture, odds and ends, people, vehicles, houses.

A function builds a thing at the origin of the present frame of `b`, the scene, from materials of
the table `m`, whose random numbers it draws. Furniture stands on the floor with its back to -y and
returns its width, depth and height in metres.
"""
