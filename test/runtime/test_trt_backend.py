# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build, proof and run on stand-ins for the driver and for each different TensorRT API."""

import dataclasses
import itertools
import threading
from pathlib import Path
from typing import Any

import fake_tensorrt
import numpy as np
import pytest
from fake_gpu import Gpu
from oracle_model import CONTRACT, write_oracle

from dmd_ros import loading
from dmd_ros.core import diffusion
from dmd_ros.runtime import engine_cache, engine_file, proof, select, trt_session
from dmd_ros.runtime.backend import OUTPUT
from dmd_ros.runtime.engine_file import EngineSpec
from dmd_ros.runtime.engine_store import BuildRequest, spec_for
from dmd_ros.runtime.errors import BackendError, RefusedError
from dmd_ros.runtime.host_sampler import sample_on_host
from dmd_ros.runtime.ort_backend import OrtBackend

SHAPE = (2, 48, 64)
RANDOM = np.random.default_rng(0)
NOISES = RANDOM.standard_normal((4, 2, 1, 48, 64), np.float32)
RGB = RANDOM.standard_normal((1, 3, 48, 64), np.float32)


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    model = write_oracle(tmp_path / 'oracle.onnx')
    return BuildRequest(model, 'fp32', SHAPE[1:], SHAPE[0], folder=tmp_path / 'engines')


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> tuple[Gpu, Any]:
    """A GPU, and `trt_backend` on it."""
    return fake_tensorrt.install(monkeypatch, '10.3.0')


def plan_of(
    module: Any, request: BuildRequest, log: Any = print
) -> tuple[bytes, bytes, EngineSpec]:
    spec = spec_for(request, CONTRACT, module.machine(0))
    timings = engine_cache.timing_cache(request.cache, spec)
    return *module.build_plan(request.model, spec, 0, timings, log), spec


def loaded(module: Any, request: BuildRequest, log: Any = print, use_graph: bool = True) -> Any:
    return module.TrtBackend(*plan_of(module, request), CONTRACT, 0, log, use_graph)


def sampled(backend: Any, steps: int = 3, sampler: str = 'ddpm', noises: Any = NOISES) -> Any:
    times = diffusion.trailing_times(steps)
    return backend.sample(RGB, 0.5, noises[0], iter(noises[1:]), times, sampler)


def on_host(request: BuildRequest, steps: int = 3, sampler: str = 'ddpm') -> Any:
    reference = OrtBackend(request.model, 'cpu', 1)
    return sample_on_host(
        lambda feeds: reference.run(feeds)[OUTPUT],
        *(CONTRACT, RGB, 0.5, NOISES[0], iter(NOISES[1:])),
        *(diffusion.trailing_times(steps), sampler),
    )


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
@pytest.mark.parametrize('version', ['8.6.1', '10.0.1', '10.3.0', '11.1.0'])
def test_every_version_builds_proves_and_runs(
    monkeypatch: pytest.MonkeyPatch, request_: BuildRequest, version: str, precision: str
) -> None:
    """Only names of this version are used, and the flags and types that it supports."""
    gpu, module = fake_tensorrt.install(monkeypatch, version)
    request = dataclasses.replace(request_, precision=precision)
    said: list[str] = []
    engine = engine_cache.build(request, said.append)
    assert engine.spec.tensorrt == version and engine.proof['sampler_error'] is not None
    assert engine.proof['limit'] == proof.LIMITS[precision]
    assert ('TensorRT 10.3 (JetPack' in said[0]) is (version == '10.3.0')
    assert not gpu.live and not gpu.graphs and not gpu.contexts  # the proof has cleared up
    (config,) = module.trt.configs
    flags = {flag.name for flag in config.flags}
    weak = version == '8.6.1'
    weak_half = weak and precision == 'fp16'
    assert flags == ({'FP16', 'PREFER_PRECISION_CONSTRAINTS'} if weak_half else set())
    assert hasattr(config, 'sources') is weak
    assert (getattr(config, 'progress_monitor', None) is None) is weak
    types = {layer.told for layer in config.network._layers}
    assert types == ({'', 'float32'} if weak_half else {''})  # the oracle's are all exact
    (profile,) = config.profiles
    assert profile.shapes['z'] == ((2, 1, 48, 64),) * 3
    backend = engine_cache.start(engine, request, CONTRACT, said.append)
    allowed = 1e-6 if precision == 'fp32' else 0.02
    assert np.abs(sampled(backend) - on_host(request)).max() <= allowed
    assert any('GPU memory: weights' in line and 'scratch 3 MiB' in line for line in said)
    backend.close()


@pytest.mark.parametrize('use_graph', [True, False])
def test_sampler_on_the_device_is_the_host_s_to_the_bit(
    gpu: tuple[Gpu, Any], request_: BuildRequest, use_graph: bool
) -> None:
    said: list[str] = []
    backend = loaded(gpu[1], request_, said.append, use_graph)
    for steps, sampler in ((1, 'ddpm'), (4, 'ddim'), (4, 'ddpm'), (2, 'ddim')):
        for _ in range(3):  # enqueued, then recorded, then once more
            codes = sampled(backend, steps, sampler)
            np.testing.assert_array_equal(codes, on_host(request_, steps, sampler))
    assert gpu[0].launches == (8 if use_graph else 0)
    assert sum('recorded as a CUDA graph' in line for line in said) == (4 if use_graph else 0)
    assert backend.device_seconds(2) == 0.0005
    backend.close()
    assert not gpu[0].leaked


def test_a_frame_allocates_nothing_and_uploads_what_is_new(
    gpu: tuple[Gpu, Any], request_: BuildRequest
) -> None:
    noises = NOISES.copy()
    noises.flags.writeable = False
    fixed = list(noises)
    backend = loaded(gpu[1], request_)
    for _ in range(2):
        sampled(backend, noises=fixed)
    before = gpu[0].allocations, gpu[0].uploads
    sampled(backend, noises=fixed)
    assert (gpu[0].allocations, gpu[0].uploads) == (before[0], before[1] + 1)  # the picture
    other = NOISES[::-1].copy()
    views = list(other)
    first = sampled(backend, noises=views)
    other[:] = NOISES  # noise that may be written to is looked at anew
    np.testing.assert_array_equal(sampled(backend, noises=views), on_host(request_))
    assert (first != on_host(request_)).any()  # and what was returned stays
    held = sum(memory.nbytes for memory in gpu[0].live.values())
    assert backend.memory_bytes['buffers'] == held and backend.memory_bytes['scratch'] == 3 << 20


def test_all_memory_is_freed_when_it_runs_out(
    gpu: tuple[Gpu, Any], request_: BuildRequest
) -> None:
    """At every allocation: a failed frame leaves all memory to later ones."""
    backend = loaded(gpu[1], request_)
    for count in itertools.count():
        gpu[0].budget = count
        try:
            codes = sampled(backend)
            break
        except BackendError as error:
            assert 'CUDA failed on GPU 0: cuMem' in str(error) and 'out of memory' in str(error)
    assert count > 10
    np.testing.assert_array_equal(codes, on_host(request_))
    backend.close()
    assert not gpu[0].live and not gpu[0].leaked


def test_a_recording_does_not_disturb_other_users_of_the_gpu(
    gpu: tuple[Gpu, Any], request_: BuildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example torch in another thread of the process, or another estimator being loaded."""
    enqueue, recorded = gpu[0].enqueue, []

    def beside(work: Any) -> None:
        if gpu[0].recording is not None:
            recorded.append(work)
            gpu[0].use_default_stream()
        enqueue(work)

    monkeypatch.setattr(gpu[0], 'enqueue', beside)
    backend = loaded(gpu[1], request_)
    np.testing.assert_array_equal(sampled(backend), on_host(request_))
    assert recorded and len(gpu[0].graphs) == 1


def test_an_address_that_tensorrt_rejects(gpu: tuple[Gpu, Any], request_: BuildRequest) -> None:
    backend = loaded(gpu[1], request_)
    gpu[0].error['address'] = True
    with pytest.raises(BackendError, match='TensorRT rejects the address of prediction'):
        sampled(backend)


def test_sizes_of_a_dynamic_engine(gpu: tuple[Gpu, Any], request_: BuildRequest) -> None:
    backend = loaded(gpu[1], dataclasses.replace(request_, size=None))
    reference = OrtBackend(request_.model, 'cpu', 1)
    for size in ((48, 64), (64, 48), (48, 64)):
        feeds = proof.random_feeds(np.random.default_rng(1), CONTRACT, (2, *size), 0.5)
        expected = reference.run(feeds)[OUTPUT]
        np.testing.assert_array_equal(backend.run(feeds)[OUTPUT], expected)
        assert len(gpu[0].live) == 5
    feeds = proof.random_feeds(np.random.default_rng(1), CONTRACT, (1, 48, 64), 0.5)
    with pytest.raises(BackendError, match=r'is for 2 samples of .* got 1 of 48x64'):
        backend.run(feeds)


def test_closing_in_any_order_from_any_thread(
    gpu: tuple[Gpu, Any], request_: BuildRequest
) -> None:
    expected = on_host(request_)
    gpu[0].contexts.append('of another user of CUDA')
    first, second, third = (loaded(gpu[1], request_) for _ in range(3))
    for backend in (first, second, third):
        sampled(backend)
    thread = threading.Thread(target=first.close)
    thread.start()
    thread.join()
    first.close()
    with pytest.raises(BackendError, match='is closed; load the estimator again'):
        sampled(first)
    del second  # nobody closed it
    np.testing.assert_array_equal(sampled(third), expected)
    assert len(gpu[0].graphs) == 1
    third.close()
    assert not gpu[0].live and not gpu[0].graphs
    assert gpu[0].contexts == ['of another user of CUDA']


def test_closing_after_a_gpu_fault_raises_nothing(
    gpu: tuple[Gpu, Any], request_: BuildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node would end with a traceback, or silently refuse a transition."""

    def fail() -> None:
        raise gpu[1].cuda.Error('an illegal memory access was encountered')

    backend = loaded(gpu[1], request_)
    monkeypatch.setattr(backend._session._stream, 'synchronize', fail)
    with pytest.raises(BackendError, match='CUDA failed on GPU 0: an illegal memory access'):
        sampled(backend)
    backend.close()
    with pytest.raises(BackendError, match='is closed'):
        sampled(backend)
    assert not gpu[0].contexts


def test_close_waits_for_the_frame(
    gpu: tuple[Gpu, Any], request_: BuildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = loaded(gpu[1], request_, use_graph=False)
    sampled(backend)
    inside, go_on, codes = threading.Event(), threading.Event(), []
    enqueue = gpu[0].enqueue

    def slowly(work: Any) -> None:
        inside.set()
        assert go_on.wait(30)
        enqueue(work)

    monkeypatch.setattr(gpu[0], 'enqueue', slowly)
    frame = threading.Thread(target=lambda: codes.append(sampled(backend)))
    frame.start()
    assert inside.wait(30)
    closing = threading.Thread(target=backend.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive() and gpu[0].live
    go_on.set()
    for thread in (frame, closing):
        thread.join(30)
    np.testing.assert_array_equal(codes[0], on_host(request_))
    assert not gpu[0].live


@pytest.mark.parametrize(('axis', 'input_'), [(3, 4), (2, 5)], ids=['wide', 'tall'])
def test_dynamic_engine_that_is_wrong_at_another_size_is_refused(
    gpu: tuple[Gpu, Any],
    request_: BuildRequest,
    monkeypatch: pytest.MonkeyPatch,
    axis: int,
    input_: int,
) -> None:
    run = trt_session.Session.run

    def wrong(session: Any, feeds: Any) -> Any:
        return run(session, feeds) + (0.1 if feeds['z'].shape[axis] > SHAPE[axis - 1] else 0.0)

    monkeypatch.setattr(trt_session.Session, 'run', wrong)
    engine_cache.build(request_, print)
    with pytest.raises(
        RefusedError, match=rf'wrong by \S+ % on random input {input_}, allowed 0.01 %\. '
    ):
        engine_cache.build(dataclasses.replace(request_, size=None), print)


def test_sampler_that_cannot_be_recorded(gpu: tuple[Gpu, Any], request_: BuildRequest) -> None:
    gpu[0].error['cuGraphInstantiateWithFlags'] = 801
    said: list[str] = []
    backend = loaded(gpu[1], request_, said.append)
    for _ in range(3):
        np.testing.assert_array_equal(sampled(backend), on_host(request_))
    why = 'cuGraphInstantiateWithFlags failed with CUDA error 801 (text of 801)'
    assert said == [f'no CUDA graph ({why}); the sampler is enqueued step by step']
    assert not gpu[0].graphs


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('start', r'cannot start \(pybind11.*driver is too old'),
        ('parse', 'cannot read .*no such operator'),
        ('build', 'could not build .* for 48x64, fp32; its own messages .* backend to onnx'),
        ('retain', 'CUDA failed on GPU 0: out of memory'),
    ],
)
def test_a_failed_build_gives_the_reason_and_leaves_no_context(
    gpu: tuple[Gpu, Any], request_: BuildRequest, name: str, message: str
) -> None:
    gpu[0].error[name] = gpu[1].cuda.Error('out of memory')
    with pytest.raises(BackendError, match=f'(?s){message}'):
        engine_cache.build(request_, print)
    assert not gpu[0].contexts
    words = engine_cache.command(request_)
    status = 4 if name in ('parse', 'build') else 1  # another precision may do
    assert engine_cache.main(words[words.index('build') :]) == status


def test_error_of_the_command_is_one_line(
    gpu: tuple[Gpu, Any], request_: BuildRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu[0].error['parse'] = True
    words = engine_cache.command(request_)
    engine_cache.main(words[words.index('build') :])
    assert capsys.readouterr().out.splitlines()[-1].endswith('In node 1: no such operator')


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('start', 'cannot start'),
        ('retain', 'CUDA failed on GPU 0: out of memory'),
        ('context', 'no execution context: out of GPU memory'),
        ('memory', 'not enough memory on GPU 0: 0 MiB are free, .* stop other users of the GPU'),
    ],
)
def test_a_failed_load_gives_the_reason_and_leaves_no_context(
    gpu: tuple[Gpu, Any], request_: BuildRequest, name: str, message: str
) -> None:
    plan, conditions, spec = plan_of(gpu[1], request_)
    gpu[1]._contexts.clear()
    gpu[0].error[name] = gpu[1].cuda.Error('out of memory')
    with pytest.raises(BackendError, match=message):
        gpu[1].TrtBackend(plan, conditions, spec, CONTRACT, 0, print)
    assert not gpu[0].contexts


def test_gpus_that_are_not_there(gpu: tuple[Gpu, Any]) -> None:
    for number in (-1, 1):
        with pytest.raises(BackendError, match=f'no GPU {number}; this machine has 1'):
            gpu[1].machine(number)


def test_failure_to_store_kernel_timings_does_not_lose_the_engine(
    gpu: tuple[Gpu, Any], request_: BuildRequest
) -> None:
    spec = spec_for(request_, CONTRACT, gpu[1].machine(0))
    timings = engine_cache.timing_cache(request_.cache, spec)
    timings.mkdir(parents=True)
    said: list[str] = []
    assert gpu[1].build_plan(request_.model, spec, 0, timings, said.append)[0]
    assert 'timings cannot be stored' in said[-1]
    timings.rmdir()
    timings.write_bytes(b'of another TensorRT')
    gpu[1].build_plan(request_.model, spec, 0, timings, print)
    assert timings.read_bytes() == b'timings'
    gpu[0].error['timings'] = True
    assert gpu[1].build_plan(request_.model, spec, 0, timings, print)[0]


def test_too_old_a_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lacks names, but its version must be checked before they are used."""
    fake_tensorrt.install(monkeypatch, '8.5.3')
    why = select.decide('auto', 'auto', 'auto', select.look_around()).why
    assert 'TensorRT 8.5.3 is older than 8.6' in why and 'ONNX Runtime' in why


def test_engine_that_tensorrt_rejects_is_rebuilt(
    gpu: tuple[Gpu, Any], request_: BuildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process acts as the building child; a plan of other bytes acts as a foreign one."""
    monkeypatch.setattr(engine_cache, 'run_child', lambda *_: engine_cache.build(forced, print))
    forced = dataclasses.replace(request_, samples=1, force=True)
    engine = engine_cache.build(forced, print)
    foreign = engine.plan.replace(b'10.3.0', b'10.3.1')
    engine_file.write(engine.path, engine.spec, foreign, engine.conditions, engine.proof)
    said: list[str] = []
    estimator = loading.load_estimator(
        request_.model,
        *('tensorrt', 'cuda'),
        precision='fp32',
        size=SHAPE[1:],
        engine_cache_dir=request_.cache,
        log=said.append,
    )
    assert any('does not accept' in line and 'rebuilding it' in line for line in said)
    assert engine_file.read(engine.path, engine.spec).plan == engine.plan
    estimator.close()
