# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A torch network as a runtime Backend, so that validation uses the shipped estimator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from dmd_ros.runtime.backend import INPUTS, OUTPUT, Feeds, Outputs


class TorchBackend:
    """Evaluates a network in float32; inputs, output: names of its tensors."""

    name, precision = 'torch', 'fp32'

    def __init__(
        self, net: nn.Module, inputs: Sequence[str] = INPUTS, output: str = OUTPUT
    ) -> None:
        """Wrap the network without a copy, so that later changes of its weights take effect."""
        self._net, self._inputs, self._output = net.eval(), inputs, output
        self.device = str(next(net.parameters()).device)

    @torch.no_grad()
    def run(self, feeds: Feeds) -> Outputs:
        """Evaluate the network once."""
        tensors = [torch.tensor(feeds[name]).to(self.device) for name in self._inputs]
        return {self._output: self._net(*tensors).float().cpu().numpy()}

    def close(self) -> None:
        """Do nothing: there are no resources to release."""
