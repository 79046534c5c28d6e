# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rewriting of ONNX graphs for TensorRT; `half_graph` is the entrance."""
