# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The complete pipeline on one machine: a bag played through the real node, over DDS."""
