# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's claims, tried on procedural worlds: `python -m train.ablate --scale reduced`.

`experiments` says what is claimed, as a table; `scales` how big; `data` renders the worlds; `runs`
trains and evaluates; `verdict` compares over seeds; `report` and `plots` write it down.
"""
