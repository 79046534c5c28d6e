# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The check of `make gpu-check`: TensorRT engines, compared with torch, on a real GPU.

`sections` defines the order of the work, `check` does it; `rough_use` stress-tests engines;
`with_torch` runs in the Python that has torch, started and read by `torch_child`; `report` writes
the results.
"""
