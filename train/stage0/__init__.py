# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stage 0: the denoiser learns to restore pictures before it learns depth.

The four tasks are Palette's (Saharia et al. 2022, arXiv 2111.05826): colorization, inpainting,
uncropping, JPEG restoration. Any picture without a label will do.
"""
