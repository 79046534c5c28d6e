# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offline trainer of dmd_ros (never imported by the runtime)."""
