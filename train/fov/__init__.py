# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The field of view of a camera that nobody calibrated, from its pictures."""
