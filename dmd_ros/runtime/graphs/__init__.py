# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rewriting of ONNX graphs for TensorRT; the entry point is `half_graph`."""
