# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The main job on one machine: a bag through the real node, over DDS, in three processes."""
