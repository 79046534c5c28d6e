# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The proof finds every kind of fault; ONNX Runtime stands in for both sides."""

from pathlib import Path

import numpy as np
import pytest
from oracle_model import CONTRACT, write_oracle

from dmd_ros.runtime import proof
from dmd_ros.runtime.backend import OUTPUT, Feeds, Outputs
from dmd_ros.runtime.host_sampler import sample_on_host
from dmd_ros.runtime.ort_backend import OrtBackend

SHAPE = (2, 32, 48)


class Changed:
    """A real backend whose output is changed by a function of (output, number of calls)."""

    name, device = 'changed', 'cpu'

    def __init__(self, inner: OrtBackend, change: object) -> None:
        self.inner, self.change, self.calls = inner, change, 0

    def run(self, feeds: Feeds) -> Outputs:
        self.calls += 1
        return {OUTPUT: self.change(self.inner.run(feeds)[OUTPUT], self.calls)}

    def close(self) -> None:
        pass


class WithSampler(Changed):
    """The same, with a sampler that is a changed version of the host's."""

    def sample(self, rgb, fov, noise, fresh, times, sampler):  # type: ignore[no-untyped-def]
        codes = sample_on_host(
            lambda f: self.inner.run(f)[OUTPUT], CONTRACT, rgb, fov, noise, fresh, times, sampler
        )
        self.calls += 1
        return self.change(codes, self.calls)


@pytest.fixture
def oracle(tmp_path: Path) -> OrtBackend:
    return OrtBackend(write_oracle(tmp_path / 'oracle.onnx'), 'cpu', 1)


def golden_of(oracle: OrtBackend) -> proof.Golden:
    feeds = proof.random_feeds(np.random.default_rng(1), CONTRACT, (1, 48, 64), 1.0)
    return proof.Golden(feeds, oracle.run(feeds)[OUTPUT])


def proved(oracle: OrtBackend, change: object, precision: str = 'fp16') -> proof.Proof:
    engine = Changed(oracle, change)
    golden = golden_of(oracle)
    return proof.prove(engine, oracle, CONTRACT, SHAPE, precision, golden, repeats=20, seed=0)


def test_same_network_passes(oracle: OrtBackend) -> None:
    figures = proved(oracle, lambda v, calls: v)
    assert figures.passed
    assert 'proved in fp16' in figures.text and '20 repeats identical' in figures.text
    assert figures.to_dict()['passed'] is True


@pytest.mark.parametrize(
    ('precision', 'error', 'passes'),
    # At t = 1 an error e of v is one of the code, and 3.34 e of log depth (0.1 to 80 m).
    [
        ('fp16', 2e-3, True),
        ('fp16', 4e-3, False),
        ('fp32', 2e-5, True),
        ('fp32', 4e-5, False),
        ('bf16', 1e-2, True),
        ('bf16', 2e-2, False),
    ],
)
def test_limit_is_on_depth(oracle: OrtBackend, precision: str, error: float, passes: bool) -> None:
    figures = proved(oracle, lambda v, calls: v + np.float32(error), precision)
    assert figures.passed is passes
    assert max(figures.random_errors) == pytest.approx(3.34 * error, rel=0.05)
    golden, worst = f'{100 * figures.golden_error:.3g} %', 100 * max(figures.random_errors)
    allowed = f'allowed {100 * proof.LIMITS[precision]:g} %'
    if passes:
        assert f'golden {golden}, random {worst:.3g} % ({allowed})' in figures.text
    else:
        assert f'depth is wrong by {golden} on the golden input, {allowed}' in figures.failures
        # Other times and sizes are tried only with random inputs, which are refused too.
        assert 'on random input 0' in figures.text


def test_one_wrong_pixel_is_enough(oracle: OrtBackend) -> None:
    def change(v: np.ndarray, calls: int) -> np.ndarray:
        v = v.copy()
        v[-1, 0, 3, 5] += 0.1
        return v

    assert not proved(oracle, change).passed


@pytest.mark.parametrize(('name', 'limit'), [('t', -0.3), ('tan_half_vfov', 0.9)])
def test_one_wrong_time_or_camera_is_enough(oracle: OrtBackend, name: str, limit: float) -> None:
    sign = np.sign(limit)

    class Wrong(Changed):
        def run(self, feeds: Feeds) -> Outputs:
            wrong = (sign * feeds[name]).max() > limit
            return {OUTPUT: self.inner.run(feeds)[OUTPUT] + np.float32(0.1 * wrong)}

    figures = proof.prove(Wrong(oracle, None), oracle, CONTRACT, SHAPE, 'fp16', repeats=1, seed=1)
    assert 0.0 in figures.random_errors and not figures.passed


def test_an_output_of_another_shape_is_wrong(oracle: OrtBackend) -> None:
    assert proved(oracle, lambda v, calls: v[:1]).random_errors[0] == float('inf')


def test_one_wrong_size_is_enough(oracle: OrtBackend) -> None:
    engine = Changed(oracle, lambda v, calls: v + np.float32(0.1 * (v.shape[2] == 64)))
    sizes = ((16, 16), (64, 48))
    figures = proof.prove(engine, oracle, CONTRACT, SHAPE, 'fp16', repeats=1, other_sizes=sizes)
    assert len(figures.failures) == 1 and 'on random input 5' in figures.text


def test_nan_is_refused(oracle: OrtBackend) -> None:
    figures = proved(oracle, lambda v, calls: np.where(v > 0.3, np.nan, v).astype(np.float32))
    assert figures.random_errors[0] == float('inf')
    assert figures.to_dict()['passed'] is False


def test_scale_that_changes_from_frame_to_frame(oracle: OrtBackend) -> None:
    """The fault of TensorRT 10.3 on JetPack 6.2: always within the limit, but never the same."""
    figures = proved(oracle, lambda v, calls: v * np.float32(1.0 + 1e-4 * (calls % 7 == 0)))
    assert max(figures.random_errors) < proof.LIMITS['fp16']
    assert not figures.passed
    assert '20 equal inputs gave outputs that differ' in figures.text


def test_outputs_in_the_same_memory_are_compared(oracle: OrtBackend) -> None:
    memory: dict[tuple[int, ...], np.ndarray] = {}

    def change(v: np.ndarray, calls: int) -> np.ndarray:
        kept = memory.setdefault(v.shape, v.copy())
        kept[:] = v * np.float32(1.0 + 1e-4 * (calls % 7 == 0))
        return kept

    assert proved(oracle, change).repeat_deviation > 0.0


def test_state_of_another_frame(oracle: OrtBackend) -> None:
    """An engine that returns the output of the previous input."""
    kept: list[np.ndarray] = []

    def change(v: np.ndarray, calls: int) -> np.ndarray:
        kept.append(v)
        return kept[-2] if len(kept) > 12 else v

    assert proved(oracle, change).repeat_deviation > 0.0


def test_reference_that_contradicts_its_golden_output(oracle: OrtBackend) -> None:
    golden = golden_of(oracle)
    wrong = proof.Golden(golden.feeds, golden.prediction + np.float32(1e-3))
    figures = proof.prove(oracle, oracle, CONTRACT, SHAPE, 'fp16', wrong, repeats=2)
    assert 'ONNX Runtime itself does not reproduce' in figures.text


@pytest.mark.parametrize(('change', 'word'), [(2e-3, 'off by'), (-2e-3, 'off by'), (5e-4, '')])
def test_sampler_on_the_device(oracle: OrtBackend, change: float, word: str) -> None:
    engine = WithSampler(oracle, lambda codes, calls: codes + np.float32(change))
    engine.run = oracle.run  # type: ignore[method-assign]
    figures = proof.prove(engine, oracle, CONTRACT, SHAPE, 'fp16', repeats=4, seed=0)
    assert figures.passed is not bool(word)
    assert word in figures.text
    assert figures.sampler_error == pytest.approx(abs(change), abs=1e-6)


def test_sampler_that_is_not_repeatable(oracle: OrtBackend) -> None:
    engine = WithSampler(oracle, lambda codes, calls: codes + np.float32(1e-5 * (calls % 3)))
    engine.run = oracle.run  # type: ignore[method-assign]
    figures = proof.prove(engine, oracle, CONTRACT, SHAPE, 'fp16', repeats=8, seed=0)
    assert 'equal frames gave codes that differ' in figures.text


@pytest.mark.parametrize('which', [(1, 'ddim'), (2, 'ddpm'), (4, 'ddpm'), (4, 'ddim')], ids=str)
def test_one_wrong_sampler_is_enough(oracle: OrtBackend, which: tuple[int, str]) -> None:
    class Wrong(WithSampler):
        def sample(self, rgb, fov, noise, fresh, times, sampler):  # type: ignore[no-untyped-def]
            codes = super().sample(rgb, fov, noise, fresh, times, sampler)
            wrong = (len(times), sampler) == which
            return codes + np.float32(2e-3 * wrong + 1e-5 * wrong * (self.calls % 3))

    engine = Wrong(oracle, lambda codes, calls: codes)
    engine.run = oracle.run  # type: ignore[method-assign]
    figures = proof.prove(engine, oracle, CONTRACT, SHAPE, 'fp16', repeats=8, seed=0)
    assert 'is off by 0.002' in figures.text and 'gave codes that differ' in figures.text


def test_a_picture_kept_from_an_earlier_frame(oracle: OrtBackend) -> None:
    """An engine that uses the first picture in every frame."""
    first: list[np.ndarray] = []

    class Stuck(WithSampler):
        def sample(self, rgb, fov, *rest):  # type: ignore[no-untyped-def]
            first.append(rgb)
            return super().sample(first[0], fov, *rest)

    engine = Stuck(oracle, lambda codes, calls: codes)
    engine.run = oracle.run  # type: ignore[method-assign]
    figures = proof.prove(engine, oracle, CONTRACT, SHAPE, 'fp16', repeats=4, seed=0)
    assert 'the sampler on the device is off' in figures.text


def test_recorded_sampler_that_differs_from_the_enqueued_one(oracle: OrtBackend) -> None:
    """Correct in the first frame of a sampler, wrong by the same amount in all later ones."""
    seen = set()

    class Recording(WithSampler):
        def sample(self, rgb, fov, noise, fresh, times, sampler):  # type: ignore[no-untyped-def]
            codes = super().sample(rgb, fov, noise, fresh, times, sampler)
            known = (len(times), sampler) in seen
            seen.add((len(times), sampler))
            return codes + np.float32(2e-3) * known

    engine = Recording(oracle, lambda codes, calls: codes)
    engine.run = oracle.run  # type: ignore[method-assign]
    figures = proof.prove(engine, oracle, CONTRACT, SHAPE, 'fp16', repeats=8, seed=0)
    assert figures.sampler_deviation == 0.0
    assert 'the sampler on the device is off by 0.002' in figures.text


def test_fresh_inputs_every_time(oracle: OrtBackend) -> None:
    seen = []

    def change(v: np.ndarray, calls: int) -> np.ndarray:
        seen.append(float(v.sum()))
        return v

    for _ in range(2):
        proof.prove(Changed(oracle, change), oracle, CONTRACT, SHAPE, 'fp16', repeats=1)
    assert seen[0] != seen[len(seen) // 2]


def test_fit_keeps_pixels() -> None:
    feeds = {'rgb': np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4), 't': np.ones(1)}
    fitted = proof.fit(feeds, (2, 6, 8))
    assert fitted['rgb'].shape == (2, 1, 6, 8) and fitted['t'].shape == (2,)
    for part in (fitted['rgb'][1, :, 3:, :4], fitted['rgb'][0, :, :3, 4:]):
        np.testing.assert_array_equal(part, feeds['rgb'][0])
