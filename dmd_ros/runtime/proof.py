# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Proof of a new engine: it must agree with ONNX Runtime before it is used.

The criterion is depth: the largest relative error, over all pixels, of metres decoded from the
estimated code. In addition, equal inputs must give equal outputs whatever ran in between, and the
sampler on the device must agree with `core.diffusion.sample`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core import depth_codec, diffusion, preprocess
from dmd_ros.core.contract import Contract
from dmd_ros.runtime.backend import OUTPUT, Backend, Feeds, Floats, SamplerBackend
from dmd_ros.runtime.host_sampler import sample_on_host

# Largest relative error of depth. bf16 has 8 bits where fp16 has 11.
LIMITS = {'fp32': 1e-4, 'fp16': 1e-2, 'bf16': 5e-2}
REPEATS = 100
# Another input runs before every tenth repeat: no state may leak from one frame to the next.
_INTERLEAVE = 10
# Largest difference of codes between the sampler on the device and on the host. Both use the same
# float32 arithmetic around the same engine: a difference is a fault.
SAMPLER_LIMIT = 1e-3
_SAMPLERS = ((1, 'ddim'), (2, 'ddpm'), (4, 'ddpm'), (4, 'ddim'))
_RANDOM_TIMES = (1.0, 0.75, 0.5, 0.25)


@dataclass(frozen=True)
class Golden:
    """An input recorded when the model was exported, and the network's output for it."""

    feeds: Feeds
    prediction: Floats


@dataclass(frozen=True)
class Proof:
    """Figures of one proof; None for parts that did not run.

    reference_error: ONNX Runtime against the recorded golden output.
    golden_error, random_errors: the engine against ONNX Runtime.
    again_error: as random_errors, on the first input again after the other sizes of a dynamic
        engine.
    repeat_deviation: largest change of the output over `repeats` equal inputs.
    sampler_error, sampler_deviation: the same for codes of the sampler, see `_prove_sampler`.
    """

    precision: str
    limit: float
    reference_error: float | None
    golden_error: float | None
    random_errors: tuple[float, ...]
    repeats: int
    repeat_deviation: float
    again_error: float | None = None
    sampler_error: float | None = None
    sampler_deviation: float | None = None

    @property
    def failures(self) -> list[str]:
        """Descriptions of all failures; empty if the engine may be used."""
        said = []
        if self.reference_error is not None and not self.reference_error <= LIMITS['fp32']:
            said.append(
                'ONNX Runtime itself does not reproduce the golden output of the model file '
                f'(depth differs by {100 * self.reference_error:.3g} %): export it again'
            )
        errors = [('the golden input', self.golden_error)]
        errors += [(f'random input {i}', e) for i, e in enumerate(self.random_errors)]
        errors += [('random input 0 again, after pictures of other sizes', self.again_error)]
        said += [
            f'depth is wrong by {100 * error:.3g} % on {where}, allowed {100 * self.limit:g} %'
            for where, error in errors
            if error is not None and not error <= self.limit
        ]
        if self.repeat_deviation != 0.0:
            said.append(
                f'{self.repeats} equal inputs gave outputs that differ by up to '
                f'{self.repeat_deviation:.3g}'
            )
        if self.sampler_error is not None and not self.sampler_error <= SAMPLER_LIMIT:
            said.append(
                f'the sampler on the device is off by {self.sampler_error:.3g} in code, allowed '
                f'{SAMPLER_LIMIT:g}'
            )
        if self.sampler_deviation is not None and self.sampler_deviation != 0.0:
            said.append(
                f'equal frames gave codes that differ by up to {self.sampler_deviation:.3g}'
            )
        return said

    @property
    def passed(self) -> bool:
        """Whether the engine may be used."""
        return not self.failures

    @property
    def text(self) -> str:
        """One-line summary for logs."""
        if self.failures:
            return '; '.join(self.failures)
        golden = '' if self.golden_error is None else f'golden {100 * self.golden_error:.3g} %, '
        worst = 100 * max((*self.random_errors, self.again_error or 0.0))
        return (
            f'proved in {self.precision}: largest error of depth {golden}random {worst:.3g} % '
            f'(allowed {100 * self.limit:g} %), {self.repeats} repeats identical'
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for the engine's header."""
        return {**asdict(self), 'passed': self.passed, 'text': self.text}


def prove(
    engine: Backend,
    reference: Backend,
    contract: Contract,
    shape: tuple[int, int, int],
    precision: str,
    golden: Golden | None = None,
    repeats: int = REPEATS,
    seed: int | None = None,
    other_sizes: Sequence[tuple[int, int]] = (),
) -> Proof:
    """Compare an engine with ONNX Runtime at `shape` (samples, height, width).

    golden: tiled to fill that shape; `reference` must first reproduce it in its own shape.
    seed: of the random inputs; None draws fresh ones, so that no engine can be tuned to pass.
    other_sizes: (height, width) of a dynamic engine, tried with one random input each, followed by
        the first input again.
    """
    random = np.random.default_rng(seed)
    reference_error = golden_error = sampler_error = sampler_deviation = None
    if golden is not None:
        said = reference.run(golden.feeds)[OUTPUT]
        reference_error = depth_error(said, golden.prediction, golden.feeds, contract)
        feeds = fit(golden.feeds, shape)
        golden_error = _compare(engine, reference, feeds, contract)
    inputs = [random_feeds(random, contract, shape, t) for t in _RANDOM_TIMES]
    others = [random_feeds(random, contract, (shape[0], *size), 1.0) for size in other_sizes]
    errors = tuple(_compare(engine, reference, feeds, contract) for feeds in [*inputs, *others])
    # No state may leak from another size.
    again = _compare(engine, reference, inputs[0], contract) if others else None
    deviation = _deviation(
        lambda i: engine.run(inputs[i])[OUTPUT], repeats=repeats, others=len(inputs) - 1
    )
    if isinstance(engine, SamplerBackend):
        sampler_error, sampler_deviation = _prove_sampler(engine, contract, shape, random, repeats)
    return Proof(
        precision=precision,
        limit=LIMITS[precision],
        reference_error=reference_error,
        golden_error=golden_error,
        random_errors=errors,
        repeats=repeats,
        repeat_deviation=deviation,
        again_error=again,
        sampler_error=sampler_error,
        sampler_deviation=sampler_deviation,
    )


def depth_error(prediction: Floats, expected: Floats, feeds: Feeds, contract: Contract) -> float:
    """Return the largest relative error of depth between two predictions for the same input."""
    if prediction.shape != expected.shape:
        return float('inf')
    alpha, sigma = (a[:, None, None, None] for a in diffusion.alpha_sigma(feeds['t']))
    depths = []
    for v in (prediction, expected):
        x, _ = diffusion.x0_eps_from_prediction(
            v, feeds['z'], alpha, sigma, contract.parameterisation
        )
        code = np.clip(x, -1.0, 1.0).astype(np.float32)
        depths.append(depth_codec.decode(code, contract))
    depth, truth = depths
    return _largest(np.abs(depth - truth) / truth)


def random_feeds(
    random: np.random.Generator, contract: Contract, shape: tuple[int, int, int], t: float
) -> Feeds:
    """Draw a valid input: a random picture, noise, and a camera in the trained range."""
    samples, height, width = shape
    pictures = random.integers(0, 256, (samples, height, width, 3), dtype=np.uint8)
    rgb = np.concatenate([preprocess.normalise(picture, contract) for picture in pictures])
    fov = random.uniform(*contract.tan_half_vfov_range, samples)
    return {
        'rgb': rgb,
        'z': random.standard_normal((samples, 1, height, width), np.float32),
        't': np.full(samples, t, np.float32),
        'tan_half_vfov': fov.astype(np.float32),
    }


def fit(feeds: Feeds, shape: tuple[int, int, int]) -> Feeds:
    """Bring an input to another (samples, height, width) by tiling.

    Scaling would turn its noise into blocks, unlike any training input: twice the error in fp16.
    """
    samples, height, width = shape
    fitted: dict[str, Floats] = {}
    for name, array in feeds.items():
        grown = array[np.arange(samples) % len(array)]
        if grown.ndim == 4:
            rows = np.arange(height) % grown.shape[2]
            columns = np.arange(width) % grown.shape[3]
            grown = grown[:, :, rows[:, None], columns]
        fitted[name] = np.ascontiguousarray(grown, np.float32)
    return fitted


def _compare(engine: Backend, reference: Backend, feeds: Feeds, contract: Contract) -> float:
    said, expected = engine.run(feeds)[OUTPUT], reference.run(feeds)[OUTPUT]
    return depth_error(said, expected, feeds, contract)


def _prove_sampler(
    engine: Any, contract: Contract, shape: tuple[int, int, int], random: Any, repeats: int
) -> tuple[float, float]:
    """Return the largest difference of codes from the host's sampler, and between equal frames."""
    noises = random.standard_normal((4, shape[0], 1, *shape[1:]), np.float32)
    # Two cameras: no cached value of one field of view may be used for another.
    inputs = [random_feeds(random, contract, (1, *shape[1:]), 1.0) for _ in range(2)]
    frames = [(feeds['rgb'], float(feeds['tan_half_vfov'][0])) for feeds in inputs]
    worst = deviation = 0.0

    def run(feeds: Feeds) -> Floats:
        return engine.run(feeds)[OUTPUT]

    for steps, sampler in _SAMPLERS:
        times = diffusion.trailing_times(steps)
        expected = [
            sample_on_host(run, contract, *frame, noises[0], iter(noises[1:]), times, sampler)
            for frame in frames
        ]

        def on_device(index: int, times: Any = times, sampler: str = sampler) -> Floats:
            fresh = iter(noises[1:])
            return engine.sample(*frames[index], noises[0], fresh, times, sampler)

        # The first frame is enqueued step by step, later ones run as one recorded graph.
        for index in (0, 0, 1):
            worst = max(worst, _largest(np.abs(on_device(index) - expected[index])))
        changed = _deviation(on_device, repeats // len(_SAMPLERS), 1)
        deviation = max(deviation, changed)
    return worst, deviation


def _deviation(run: Callable[[int], Floats], repeats: int, others: int) -> float:
    """Return the largest change of run(0) over `repeats` calls, with run(1..others) in between."""
    first = run(0).copy()
    worst = 0.0
    for index in range(repeats):
        if index % _INTERLEAVE == 0 and others:
            run(1 + (index // _INTERLEAVE) % others)
        again = run(0)
        if not np.array_equal(first, again):
            worst = max(worst, _largest(np.abs(again - first)))
    return worst


def _largest(errors: NDArray[Any]) -> float:
    """Return the maximum; infinite if any value is not finite."""
    return float(errors.max()) if np.isfinite(errors).all() else float('inf')
