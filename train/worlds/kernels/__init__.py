# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Code that runs for every pixel, compiled for both CPU and GPU; `passes` calls the rest."""
