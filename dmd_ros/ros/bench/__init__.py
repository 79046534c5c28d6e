# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure costs on this machine, as tables; ratios are from a single run."""
