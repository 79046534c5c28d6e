# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things at their real sizes: furniture, odds and ends, people, vehicles, houses.

A function builds a thing at the origin of the current frame of the scene `b`, from materials of
the table `m`, whose random generator it uses. Furniture stands on the floor with its back to -y;
its functions return width, depth and height in metres.
"""
