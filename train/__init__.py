# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offline trainer of dmd_ros (never imported by the runtime)."""

import dmd_ros.missing  # noqa: F401 - before packages that may be missing
