# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms, cellars, table tops and streets: the layout of things and their surroundings."""
