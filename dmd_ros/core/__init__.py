# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pure functions and frozen records: no I/O, no clock, no hidden randomness, no globals."""
