# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in places, at its real size: furniture, odds and ends, people, vehicles, houses."""
