# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read recordings: their formats, topics, and the pairing of their messages."""
