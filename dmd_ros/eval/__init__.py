# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluate a model: metrics, bag reading, replay, tables and reports."""
