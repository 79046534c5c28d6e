# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judging a model: metrics, bag reading, replay, tables and reports."""
