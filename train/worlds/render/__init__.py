# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes and the pictures of them: what they are written into, renderers, the camera's faults."""
