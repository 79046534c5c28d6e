# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Select the convolutions of a model that can compute in int8, and write the int8 graph.

ONNX Runtime's own quantiser writes the graph: QuantizeLinear and DequantizeLinear around
convolutions, per channel, which its CPU kernels fuse. Weights get seven bits: processors without
VNNI add two products in 16 bits, which would overflow with eight bits.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

from dmd_ros.core import diffusion
from dmd_ros.runtime.backend import OUTPUT, Feeds
from dmd_ros.runtime.model_file import is_int8
from dmd_ros.runtime.ort_backend import OrtBackend
from train.errors import TrainError

KIND = 'Conv'
# Maximum mean change of the estimated depth code in [-1, 1] if only one layer is quantised: 0.002
# is 0.7 % of the depth, for a log code of 0.1-80 m.
LAYER_ERROR = 2e-3
# Number of network inputs for this measurement.
_PROBES = 6


class Reader(CalibrationDataReader):
    """Iterator over inputs for ONNX Runtime's calibration."""

    def __init__(self, feeds: Sequence[Feeds]) -> None:
        """Start with the first input."""
        self._feeds = iter(feeds)

    def get_next(self) -> Feeds | None:
        """Return the next input, or None at the end."""
        return next(self._feeds, None)


def prepare(model: Path, out: Path) -> list[str]:
    """Preprocess `model` for the quantiser, with its metadata; return names of its convolutions.

    Raises `TrainError` for a model that is in int8 already.
    """
    quant_pre_process(str(model), str(out), skip_symbolic_shape=True)
    if is_int8(out):
        raise TrainError(f'{model} is in int8 already; specify the float model it was made from')
    return [node.name for node in onnx.load(str(out)).graph.node if node.op_type == KIND]


def choose(plain: Path, layers: Sequence[str], feeds: Sequence[Feeds], scratch: Path) -> list[str]:
    """Return the layers that change the estimate by at most `LAYER_ERROR`."""
    probes = feeds[:: -(-len(feeds) // _PROBES)]
    expected = _codes(plain, probes)
    chosen = []
    for layer in tqdm(layers, desc='layers', unit='layer'):
        write(plain, scratch, [layer], probes)
        moved = [
            np.abs(a - b).mean() for a, b in zip(_codes(scratch, probes), expected, strict=True)
        ]
        if np.mean(moved) <= LAYER_ERROR:
            chosen.append(layer)
    return chosen


def write(plain: Path, out: Path, layers: Sequence[str], feeds: Sequence[Feeds]) -> None:
    """Write `plain` with these layers in int8; feeds: inputs that determine their ranges."""
    logging.disable(logging.WARNING)  # it recommends the preprocessing that `prepare` has done
    try:
        quantize_static(
            str(plain),
            str(out),
            Reader(feeds),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=[KIND],
            nodes_to_quantize=list(layers),
        )
    finally:
        logging.disable(logging.NOTSET)
    model, source = onnx.load(str(out)), onnx.load(str(plain))
    del model.metadata_props[:]
    model.metadata_props.extend(source.metadata_props)
    # The quantiser lists all operator sets that it supports; other readers may lack unused ones.
    domains = {node.domain for node in model.graph.node}
    needed = [o for o in model.opset_import if o.domain in domains]
    del model.opset_import[:]
    model.opset_import.extend(needed)
    onnx.save(model, str(out))


def _codes(model: Path, feeds: Sequence[Feeds]) -> list[NDArray[np.float32]]:
    """Return the estimated depth code for each input."""
    backend = OrtBackend(model)
    kind = backend.contract.parameterisation
    codes = []
    for feed in feeds:
        alpha, sigma = diffusion.alpha_sigma(feed['t'][:, None, None, None])
        prediction = backend.run(feed)[OUTPUT]
        x, _ = diffusion.x0_eps_from_prediction(prediction, feed['z'], alpha, sigma, kind)
        codes.append(np.clip(x, -1.0, 1.0))
    backend.close()
    return codes
