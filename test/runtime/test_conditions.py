# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conditions on the device: computed and copied only when something changes.

Engines are stand-ins (`fake_tensorrt`); networks are real, with weights that have an effect.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import fake_tensorrt
import numpy as np
import onnx
import pytest
from oracle_model import CONTRACT, write_oracle

from dmd_ros.core import diffusion
from dmd_ros.core.contract import METADATA_KEY
from dmd_ros.runtime import engine_cache, engine_file, proof, trt_memory, trt_types
from dmd_ros.runtime.backend import OUTPUT
from dmd_ros.runtime.engine_store import BuildRequest, spec_for
from dmd_ros.runtime.errors import BackendError, RefusedError
from dmd_ros.runtime.host_sampler import sample_on_host
from dmd_ros.runtime.ort_backend import OrtBackend, OrtConditions

SIZE = (32, 48)
VERSIONS = ['8.6.1', '10.0.1', '10.3.0', '11.1.0']
# preset, whether it knows the field of view, whether it sees rays
NETS = {
    'no-fov': ('micro', False, False),
    'no-rays': ('micro', True, False),
    'nano': ('nano', True, True),
    'tiny': ('tiny', True, True),
}


@pytest.fixture(scope='module')
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch = pytest.importorskip('torch')
    from train.export import trace
    from train.presets import preset
    from train.unet import UNet

    folder, paths = tmp_path_factory.mktemp('nets'), {}
    for name, (size, fov, rays) in NETS.items():
        torch.manual_seed(0)
        net = UNet(preset(size).net, fov=fov, rays=rays)
        for parameter in net.parameters():  # new ones begin with zeros at every block's end
            if parameter.abs().max() == 0:
                torch.nn.init.normal_(parameter, std=0.05)
        proto = trace(net, CONTRACT)
        onnx.helper.set_model_props(proto, {METADATA_KEY: CONTRACT.to_json()})
        paths[name] = folder / f'{name}.onnx'
        onnx.save(proto, paths[name])
    return paths


def wish(model: Path, folder: Path, precision: str = 'fp32', samples: int = 2) -> BuildRequest:
    return BuildRequest(model, precision, SIZE, samples, folder=folder)


def loaded(module: Any, request: BuildRequest, use_graph: bool = True) -> Any:
    spec = spec_for(request, CONTRACT, module.machine(0))
    timings = engine_cache.timing_cache(request.cache, spec)
    parts = module.build_plan(request.model, spec, 0, timings, print)
    return module.TrtBackend(*parts, spec, CONTRACT, 0, print, use_graph)


RANDOM = np.random.default_rng(0)
RGB = RANDOM.standard_normal((1, 3, *SIZE), np.float32)
NOISES = RANDOM.standard_normal((4, 8, 1, *SIZE), np.float32)
NOISES.flags.writeable = False


def noises(samples: int) -> list[np.ndarray]:
    """The same array objects at every call, as from an estimator with fixed noise."""
    return _FIXED.setdefault(samples, [noise[:samples] for noise in NOISES])


_FIXED: dict[int, list[np.ndarray]] = {}


def sampled(backend: Any, steps: int, fov: float, samples: int = 2) -> np.ndarray:
    first, *fresh = noises(samples)
    return backend.sample(RGB, fov, first, iter(fresh), diffusion.trailing_times(steps), 'ddpm')


def on_host(model: Path, steps: int, fov: float, samples: int = 2) -> np.ndarray:
    reference = OrtBackend(model, 'cpu', 1)
    first, *fresh = noises(samples)
    run = lambda feeds: reference.run(feeds)[OUTPUT]  # noqa: E731
    times = diffusion.trailing_times(steps)
    return sample_on_host(run, CONTRACT, RGB, fov, first, iter(fresh), times, 'ddpm')


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize('name', NETS)
def test_every_network_on_every_version(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    nets: dict[str, Path],
    name: str,
    version: str,
    precision: str,
) -> None:
    """A different time and angle for each sample, as in the proof, though never in a sampler."""
    _, module = fake_tensorrt.install(monkeypatch, version)
    backend = loaded(module, wish(nets[name], tmp_path, precision))
    reference = OrtBackend(nets[name], 'cpu', 1)
    (config,) = module.trt.configs
    inputs = {tensor.name for tensor in config.network.inputs}
    assert inputs > {'rgb', 'z'} and not inputs & {'t', 'tan_half_vfov'}
    half = [tensor for tensor in config.network.inputs if tensor.dtype == 'float16']
    assert len(half) == (len(inputs) - 2 - NETS[name][2] if precision == 'fp16' else 0)
    for seed in range(2):
        feeds = proof.random_feeds(np.random.default_rng(seed), CONTRACT, (2, *SIZE), 0.5)
        feeds = {**feeds, 't': np.array([0.9, 0.3 + seed / 10], np.float32)}
        said, expected = (b.run(feeds)[OUTPUT] for b in (backend, reference))
        # The removed factor of a skip has an effect through a norm's epsilon: see `skip_graph`.
        allowed = 3e-5 if precision == 'fp32' else 2e-2
        np.testing.assert_allclose(said, expected, atol=allowed * max(1, np.abs(expected).max()))
    backend.close()


@pytest.mark.parametrize('use_graph', [True, False])
@pytest.mark.parametrize(('steps', 'samples'), [(1, 1), (2, 1), (4, 2), (1, 8)])
def test_another_camera_after_the_graph_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    nets: dict[str, Path],
    steps: int,
    samples: int,
    use_graph: bool,
) -> None:
    gpu, module = fake_tensorrt.install(monkeypatch, '8.6.1')
    backend = loaded(module, wish(nets['nano'], tmp_path, samples=samples), use_graph)
    seen = []
    for fov in (0.5, 0.5, 0.9, 0.9, 0.5):
        seen.append(sampled(backend, steps, fov, samples))
        expected = on_host(nets['nano'], steps, fov, samples)
        np.testing.assert_allclose(seen[-1], expected, atol=1e-4)
    assert np.abs(seen[0] - seen[2]).max() > 1e-3  # the camera is no small matter
    np.testing.assert_array_equal(seen[0], seen[4])
    assert gpu.launches == (4 if use_graph else 0)
    backend.close()
    assert not gpu.live


def test_equal_frames_compute_and_copy_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nets: dict[str, Path]
) -> None:
    computed: list[float] = []
    call = OrtConditions.__call__

    def counting(self: Any, t: Any, fov: Any) -> Any:
        computed.append(float(t[0]))
        return call(self, t, fov)

    gpu, module = fake_tensorrt.install(monkeypatch, '10.3.0')
    backend = loaded(module, wish(nets['nano'], tmp_path, 'fp16'))
    monkeypatch.setattr(OrtConditions, '__call__', counting)
    for _ in range(2):
        sampled(backend, 4, 0.5)
    before = gpu.allocations, gpu.uploads
    computed.clear()
    sampled(backend, 4, 0.5)
    assert (gpu.allocations, gpu.uploads) == (before[0], before[1] + 1)  # the picture
    assert not computed
    sampled(backend, 4, 0.6)
    assert (gpu.allocations, gpu.uploads) == (before[0], before[1] + 6)
    assert computed == [1.0, 0.75, 0.5, 0.25]
    held = sum(memory.nbytes for memory in gpu.live.values())
    assert backend.memory_bytes['buffers'] == held
    feeds = proof.random_feeds(np.random.default_rng(0), CONTRACT, (2, *SIZE), 0.5)
    backend.run(feeds)
    computed.clear()
    backend.run(feeds)
    assert not computed
    backend.close()


@pytest.mark.parametrize('copies', [1, 2, 3, 4], ids=['first', 'second', 'start', 'fresh'])
def test_a_failed_copy_does_not_count_as_uploaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nets: dict[str, Path], copies: int
) -> None:
    """After the picture: conditions of both steps, initial noise, fresh noise."""
    gpu, module = fake_tensorrt.install(monkeypatch, '8.6.1')
    backend = loaded(module, wish(nets['nano'], tmp_path))
    times, cuda = diffusion.trailing_times(2), sys.modules['pycuda.driver']
    old, new = noises(2)[:2], noises(2)[2:]
    expected = backend.sample(RGB, 0.5, old[0], iter(old[1:]), times, 'ddpm')
    copy, last = cuda.memcpy_htod_async, gpu.uploads + 1 + copies

    def torn(*arguments: Any) -> None:
        copy(*arguments)
        if gpu.uploads == last:
            raise cuda.Error('lost')

    with monkeypatch.context() as patch:
        patch.setattr(cuda, 'memcpy_htod_async', torn)
        with pytest.raises(BackendError, match='lost'):
            backend.sample(RGB, 0.9, new[0], iter(new[1:]), times, 'ddpm')
    said = backend.sample(RGB, 0.5, old[0], iter(old[1:]), times, 'ddpm')
    np.testing.assert_array_equal(said, expected)
    backend.close()


@pytest.mark.parametrize('version', VERSIONS)
def test_engines_are_proved_stored_and_reloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nets: dict[str, Path], version: str
) -> None:
    fake_tensorrt.install(monkeypatch, version)
    request = wish(nets['no-rays'], tmp_path, 'fp16')
    engine = engine_cache.build(request, print)
    assert engine.conditions and engine.proof['passed']
    again = engine_file.read(engine.path, engine.spec)
    assert (again.plan, again.conditions) == (engine.plan, engine.conditions)
    backend = engine_cache.start(again, request, CONTRACT, print)
    expected = on_host(nets['no-rays'], 2, 0.7)
    np.testing.assert_allclose(sampled(backend, 2, 0.7), expected, atol=0.05)
    backend.close()
    data = engine.path.read_bytes()
    for broken, message in ((data[:-1], 'truncated'), (data[:-1] + b'?', 'checksum')):
        engine.path.write_bytes(broken)
        with pytest.raises(BackendError, match=message):
            engine_file.read(engine.path, engine.spec)


def test_a_dynamic_engine_computes_its_conditions_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nets: dict[str, Path]
) -> None:
    gpu, module = fake_tensorrt.install(monkeypatch, '8.6.1')
    request = dataclasses.replace(wish(nets['no-rays'], tmp_path), size=None)
    spec = spec_for(request, CONTRACT, module.machine(0))
    timings = engine_cache.timing_cache(request.cache, spec)
    plan, conditions = module.build_plan(request.model, spec, 0, timings, print)
    assert conditions == b''
    backend = module.TrtBackend(plan, conditions, spec, CONTRACT, 0, print)
    for fov in (0.5, 0.5, 0.9):
        expected = on_host(nets['no-rays'], 2, fov)
        np.testing.assert_allclose(sampled(backend, 2, fov), expected, atol=1e-4)
    backend.close()
    assert not gpu.live


def _stale(conditions: Any, t: Any, fov: Any, stream: Any) -> None:
    """Uploads only the first camera."""
    if not conditions._made_for:
        _UPLOAD(conditions, t, fov, stream)


def _late(conditions: Any, t: Any, fov: Any, stream: Any) -> None:
    """Uploads the values of the previous frame."""
    last = getattr(conditions, 'last', (t, fov))
    conditions.last = t, fov
    _UPLOAD(conditions, *last, stream)


def _shifted(conditions: Any, t: Any, fov: Any, stream: Any) -> None:
    """Stores every tensor at the place of the previous one."""
    names = list(conditions._offsets)
    if not hasattr(conditions, 'right'):
        conditions.right = dict(conditions._offsets)
        places = list(conditions.right.values())
        conditions._offsets = dict(zip(names, [places[0], *places[:-1]], strict=True))
    _UPLOAD(conditions, t, fov, stream)


def _without_time(conditions: Any, t: Any, fov: Any, stream: Any) -> None:
    """Checks only the angle for changes."""
    if not conditions._made_for or not np.array_equal(conditions._made_for[1], fov):
        _UPLOAD(conditions, t, fov, stream)


_UPLOAD = trt_memory.Conditions.upload


@pytest.mark.parametrize(
    ('fault', 'message'),
    [
        (_stale, 'depth is wrong'),
        (_late, 'depth is wrong'),
        (_shifted, 'depth is wrong'),
        (_without_time, 'sampler on the device is off'),
    ],
)
def test_planted_fault_is_refused_by_the_proof(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    nets: dict[str, Path],
    fault: Any,
    message: str,
) -> None:
    fake_tensorrt.install(monkeypatch, '8.6.1')
    monkeypatch.setattr(trt_memory.Conditions, 'upload', fault)
    with pytest.raises(RefusedError, match=message):
        engine_cache.build(wish(nets['no-rays'], tmp_path), print)


def test_a_stale_camera_in_the_sampler_only_is_refused_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The network alone is correct; only the sampler's second camera reveals the fault."""
    fake_tensorrt.install(monkeypatch, '8.6.1')
    upload = trt_memory.SamplerMemory.upload

    def first_only(memory: Any, noise: Any, fresh: Any, fov: Any, stream: Any) -> None:
        memory.first = getattr(memory, 'first', fov)
        upload(memory, noise, fresh, memory.first, stream)

    monkeypatch.setattr(trt_memory.SamplerMemory, 'upload', first_only)
    model = _angle_model(tmp_path / 'angle.onnx')
    with pytest.raises(RefusedError, match='the sampler on the device is off'):
        engine_cache.build(wish(model, tmp_path), print)


def _angle_model(path: Path) -> Path:
    """An oracle whose depth depends on the camera."""
    proto = onnx.load(write_oracle(path))
    mul = next(node for node in proto.graph.node if node.output[0] == 'signal')
    mul.input[1] = 'seen'
    at = list(proto.graph.node).index(mul)
    make = onnx.helper.make_node
    for node in (
        make('Mul', ['z', 'angle'], ['seen']),
        make('Reshape', ['tan_half_vfov', 'column'], ['angle']),
    ):
        proto.graph.node.insert(at, node)
    onnx.save(proto, path)
    return path


@pytest.mark.parametrize(
    ('shape', 'formats'),
    [
        ((2, 24, 1, 1), ['HWC8', 'LINEAR']),
        ((2, 20, 1, 1), ['LINEAR']),
        ((2, 16, 1, 2), ['LINEAR']),
        ((2, 16), ['LINEAR']),
        ((2,), ['LINEAR']),
    ],
    ids=str,
)
def test_order_of_channels_is_left_open_where_it_is_the_same(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], formats: list[str]
) -> None:
    _, module = fake_tensorrt.install(monkeypatch, '8.6.1')
    network = fake_tensorrt._Network(module.trt)
    network.inputs = [fake_tensorrt._Tensor('float32', name, shape) for name in ('a', 'b')]
    trt_types.tell_inputs(module.trt, network, {'b'})
    alone, told = network.inputs
    assert (alone.dtype, alone.allowed_formats, told.dtype) == ('float32', 1, 'float16')
    kinds = module.trt.TensorFormat
    assert sorted(k.name for k in kinds if told.allowed_formats >> int(k) & 1) == formats


@pytest.mark.parametrize('built', ['float32', 'int8'])
def test_engine_of_other_types_than_its_conditions_is_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nets: dict[str, Path], built: str
) -> None:
    """fp16 memory is half as long: TensorRT would read past its end."""
    gpu, module = fake_tensorrt.install(monkeypatch, '8.6.1')
    gpu.error['types'] = built
    request = wish(nets['no-rays'], tmp_path, 'fp16')
    with pytest.raises(RefusedError, match=r'does not accept .* in float16'):
        loaded(module, request)
    assert not gpu.contexts and not gpu.live
    # Nor rebuilt at every start: the recorded refusal makes `precision:=auto` use fp32.
    with pytest.raises(RefusedError, match=r'engine is refused: TensorRT does not accept'):
        engine_cache.build(request, print)
    with pytest.raises(RefusedError, match=r'before and refused: TensorRT does not accept'):
        engine_cache.build(request, print)
    assert len(module.trt.configs) == 2
