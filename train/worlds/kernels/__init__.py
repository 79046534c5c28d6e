# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What runs for every pixel, compiled for the CPU and the GPU alike; `passes` calls the rest."""
