# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of labelled pictures: each returns `RawSample` by index."""
