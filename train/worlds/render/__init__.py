# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes and their pictures: scene builder, renderers, imperfections of the camera."""
