# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimate the field of view of an uncalibrated camera from its pictures."""
