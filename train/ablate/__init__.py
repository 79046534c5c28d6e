# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Test the paper's claims on procedural worlds: `python -m train.ablate --scale reduced`.

`experiments` lists the claims; `scales` sets the sizes; `data` renders the worlds; `runs` trains
and evaluates; `verdict` compares over seeds; `report` and `plots` write the results.
"""
