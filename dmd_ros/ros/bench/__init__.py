# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What things cost on this machine, as tables; ratios come from one and the same run."""
