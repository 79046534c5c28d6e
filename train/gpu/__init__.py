# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `make gpu-check` runs: engines of TensorRT, and torch beside them, on a real GPU.

`sections` says what is done in which order, `check` does it; `rough_use` mistreats engines;
`with_torch` runs in the Python that has torch, started and read by `torch_child`; `report` writes
it down.
"""
