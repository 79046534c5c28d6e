# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A torch network behind the runtime's Backend protocol, so that training validates what ships."""

from __future__ import annotations

import torch

from dmd_ros.runtime.backend import INPUTS, OUTPUT, Feeds, Outputs
from train.unet import UNet


class TorchBackend:
    """Evaluate a network in float32."""

    name = 'torch'

    def __init__(self, net: UNet) -> None:
        """Take the network as it is; later changes of its weights are seen."""
        self._net = net.eval()
        self.device = str(next(net.parameters()).device)

    @torch.no_grad()
    def run(self, feeds: Feeds) -> Outputs:
        """Evaluate once."""
        tensors = [torch.tensor(feeds[name]).to(self.device) for name in INPUTS]
        return {OUTPUT: self._net(*tensors).float().cpu().numpy()}

    def close(self) -> None:
        """Nothing to release."""
