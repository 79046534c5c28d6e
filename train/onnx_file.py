# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a network as a model file: traced, stored in fp16, with metadata, and compared."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from dmd_ros.runtime.backend import Feeds
from dmd_ros.runtime.model_file import TOLERANCE
from train.errors import TrainError
from train.outputs import check_file

OPSET = 17
# Smaller tensors stay float32, because fp16 would save little.
_HALF_FROM = 256
# Maximum size of weights in an ONNX file: protobuf's limit minus 1 MiB for graph and metadata.
_MOST_BYTES = 2**31 - 2**20
# Dynamic axes of a picture.
PICTURE_AXES = {0: 'batch', 2: 'height', 3: 'width'}


def fill(net: nn.Module, averages: Mapping[str, Tensor], weights: str) -> None:
    """Load the averaged weights of a checkpoint, rounded as in the model file."""
    net.load_state_dict(averages)
    net.eval()
    if weights == 'fp16':
        round_to_half(net)


def to_onnx(
    net: nn.Module, feeds: Feeds, output: str, axes: dict[str, dict[int, str]]
) -> onnx.ModelProto:
    """Trace a network with inputs `feeds`, in this order; axes: dynamic axes of each tensor."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter('ignore')  # the tracer warns about every Python number
        # In a folder, because beyond 2 GiB (preset paper) the tracer writes more than one file.
        path = f'{folder}/net.onnx'  # the tracer needs a string
        torch.onnx.export(
            net,
            tuple(torch.as_tensor(array) for array in feeds.values()),
            path,
            dynamo=False,  # the traced graph uses fewer kinds of operators than dynamo's
            opset_version=OPSET,
            input_names=list(feeds),
            output_names=[output],
            dynamic_axes=axes,
        )
        return onnx.load(path)


def write(
    out: Path,
    model: onnx.ModelProto,
    metadata: dict[str, str],
    weights: str,
    compare: Callable[[Path], float],
) -> float:
    """Write a traced graph; return its largest relative difference from torch, by `compare`.

    out: see `check_out`. Raises `TrainError` without writing anything.
    """
    if weights == 'fp16':
        store_half(model)
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _MOST_BYTES:
        raise TrainError(
            f'{out}: weights in {weights} take more than the 2 GiB allowed for one file; use '
            '--weights fp16, or a smaller preset'
        )
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix='.onnx', dir=out.parent)
    os.close(handle)
    partial = Path(name)
    try:
        partial.write_bytes(model.SerializeToString())
        partial.chmod(0o644)
        worst = compare(partial)  # with the robot's own backend
        os.replace(partial, out)
    except OSError as error:  # the error of a full disk does not name the file
        raise TrainError(
            f'cannot write {out} ({error.strerror}); free some space, or choose another --out'
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return worst


def check_out(out: Path) -> None:
    """Raise `TrainError`, before the work, if a model cannot be written to this file."""
    if out.suffix != '.onnx':  # the card of x.md would be x.md
        raise TrainError(f'{out} is not a name for a model; use one that ends in .onnx')
    check_file(out)
    check_file(out.with_suffix('.md'), 'card')


def store_half(model: onnx.ModelProto) -> None:
    """Store weights that are exact in float16 as such, with a Cast that engines fold at load."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if values.size < _HALF_FROM or not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f'{name}_fp16'))
        casts.append(helper.make_node('Cast', [f'{name}_fp16'], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def round_to_half(net: nn.Module) -> None:
    """Round large weights to float16, so that storing them as such is lossless."""
    for parameter in net.parameters():
        if parameter.numel() >= _HALF_FROM:
            parameter.data = parameter.data.half().float()


def refuse_difference(worst: float) -> None:
    """Raise `TrainError` if ONNX Runtime and torch differ by more than the tolerance."""
    if not worst <= TOLERANCE:
        raise TrainError(
            f'ONNX Runtime and torch differ by {worst:.2e} (relative), allowed {TOLERANCE:.0e}; '
            'nothing was written. Try --weights fp32; if that fails, the exported graph is wrong'
        )
