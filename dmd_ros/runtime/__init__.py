# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Backends that evaluate the denoiser: one protocol, one file per engine."""
