# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The diffusion process: its algebra, and samplers with a denoiser that knows the answer."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_ros.core import diffusion
from dmd_ros.core.errors import CoreError

times = st.floats(0.0, 1.0)
KINDS = ('v', 'eps', 'x0')
RANDOM = np.random.default_rng(3)
X = RANDOM.uniform(-1, 1, (2, 1, 6, 8)).astype(np.float32)
EPS = RANDOM.standard_normal(X.shape, np.float32)


def test_the_schedule_starts_at_signal_and_ends_at_noise_exactly() -> None:
    assert diffusion.alpha_sigma(1.0)[0] == 0.0
    assert diffusion.alpha_sigma(1.0)[1] == 1.0
    assert diffusion.alpha_sigma(0.0)[1] == 0.0
    assert diffusion.alpha_sigma(0.0)[0] == 1.0
    alpha, sigma = diffusion.alpha_sigma(np.float32([1.0, 0.0]))
    assert alpha.tolist() == [0.0, 1.0]
    assert sigma.tolist() == [1.0, 0.0]


@given(times)
def test_the_schedule_is_the_cosine_one_and_preserves_variance(t: float) -> None:
    alpha, sigma = diffusion.alpha_sigma(t)
    assert alpha == pytest.approx(math.cos(math.pi * t / 2), abs=1e-12)
    assert alpha**2 + sigma**2 == pytest.approx(1.0)


def target(kind: str, alpha: float, sigma: float) -> np.ndarray:
    v = diffusion.v_target(X, EPS, alpha, sigma)
    return {'v': v, 'eps': EPS, 'x0': X}[kind]


@given(times, st.sampled_from(KINDS))
def test_a_perfect_prediction_gives_code_and_noise_back(t: float, kind: str) -> None:
    alpha, sigma = (float(a) for a in diffusion.alpha_sigma(t))
    if (kind == 'eps' and alpha < 0.02) or (kind == 'x0' and sigma < 0.02):
        return  # a division by almost nothing; the next tests
    z = diffusion.add_noise(X, EPS, alpha, sigma)
    x, eps = diffusion.x0_eps_from_prediction(target(kind, alpha, sigma), z, alpha, sigma, kind)
    np.testing.assert_allclose(x, X, atol=2e-5 if kind == 'v' else 1e-4)
    np.testing.assert_allclose(eps, EPS, atol=2e-5 if kind == 'v' else 2e-4)


def test_at_t_1_v_is_minus_the_code() -> None:
    np.testing.assert_array_equal(diffusion.v_target(X, EPS, 0.0, 1.0), -X)
    x, eps = diffusion.x0_eps_from_prediction(-X, EPS, 0.0, 1.0, 'v')
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(eps, EPS)


@pytest.mark.parametrize('level', [0.0, np.float32(0.0), np.zeros((2, 1, 1, 1), np.float32)])
def test_eps_stays_finite_where_there_is_no_signal(level: object) -> None:
    x, _ = diffusion.x0_eps_from_prediction(EPS, EPS + X, level, level * 0 + 1, 'eps')
    assert np.isfinite(x).all()
    _, eps = diffusion.x0_eps_from_prediction(X, EPS + X, level * 0 + 1, level, 'x0')
    assert np.isfinite(eps).all()


def test_unknown_parameterisation_is_refused() -> None:
    with pytest.raises(CoreError, match="'w'; allowed: v, eps, x0"):
        diffusion.x0_eps_from_prediction(X, X, 1.0, 0.0, 'w')


@given(st.integers(1, 200))
def test_times_trail_from_one(steps: int) -> None:
    schedule = diffusion.trailing_times(steps)
    assert schedule[0] == 1.0
    assert len(schedule) == steps
    assert schedule[-1] == pytest.approx(1 / steps)
    np.testing.assert_allclose(np.diff(schedule), -1 / steps)


@pytest.mark.parametrize('steps', [0, -1])
def test_no_steps_are_refused(steps: int) -> None:
    with pytest.raises(CoreError, match='must be >= 1'):
        diffusion.trailing_times(steps)


def oracle(kind: str):
    """Predict perfectly for the code X, whatever z is."""

    def denoise(z: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        alpha, sigma = (np.float32(a) for a in diffusion.alpha_sigma(t))
        eps = (z - alpha * X) / sigma
        prediction = {'v': diffusion.v_target(X, eps, alpha, sigma), 'eps': eps, 'x0': X}[kind]
        x, eps = diffusion.x0_eps_from_prediction(prediction, z, alpha, sigma, kind)
        return np.clip(x, -1, 1), eps

    return denoise


@pytest.mark.parametrize('sampler', diffusion.SAMPLERS)
@pytest.mark.parametrize('steps', [1, 2, 4, 64])
@pytest.mark.parametrize('kind', ['v', 'x0'])
def test_the_oracle_s_code_is_recovered_in_any_number_of_steps(
    kind: str, steps: int, sampler: str
) -> None:
    fresh = iter(RANDOM.standard_normal((steps, *X.shape), np.float32))
    schedule = diffusion.trailing_times(steps)
    got = diffusion.sample(oracle(kind), EPS, schedule, sampler=sampler, fresh_noise=fresh)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, X, atol=1e-5)
    assert len(list(fresh)) == (1 if sampler == 'ddpm' else steps)  # the last step draws nothing


@pytest.mark.parametrize('sampler', diffusion.SAMPLERS)
@pytest.mark.parametrize('steps', [2, 4, 64])
def test_eps_needs_more_than_one_step(steps: int, sampler: str) -> None:
    """At t = 1, z contains nothing of the code, only later steps do: 1 step finds nothing."""
    fresh = iter(RANDOM.standard_normal((steps, *X.shape), np.float32))
    schedule = diffusion.trailing_times(steps)
    got = diffusion.sample(oracle('eps'), EPS, schedule, sampler=sampler, fresh_noise=fresh)
    np.testing.assert_allclose(got, X, atol=1e-4)
    once = diffusion.sample(oracle('eps'), EPS, [1.0], sampler='ddim')
    assert np.abs(once - X).mean() > 0.3


def test_ddim_goes_from_level_to_level_with_the_same_noise() -> None:
    """With the oracle, z at every time is alpha x + sigma eps of the initial noise."""
    seen = []

    def denoise(z: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        seen.append((t, z))
        return oracle('v')(z, t)

    diffusion.sample(denoise, EPS, diffusion.trailing_times(5), sampler='ddim')
    for t, z in seen:
        expected = diffusion.add_noise(X, EPS, *diffusion.alpha_sigma(t))
        np.testing.assert_allclose(z, expected, atol=1e-4)


def gaussian_posterior(t: float, s: float) -> tuple[float, float, float]:
    """q(z_s | z_t, x) by conditioning the joint Gaussian of (z_s, z_t) given x.

    z_s = alpha_s x + sigma_s e1 and z_t = (alpha_t / alpha_s) z_s + sd e2, so Cov(z_s, z_t) =
    (alpha_t / alpha_s) sigma_s^2: nothing here is taken from the implementation.
    """
    alpha_t, sigma_t = math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)
    alpha_s, sigma_s = math.cos(math.pi * s / 2), math.sin(math.pi * s / 2)
    covariance = alpha_t / alpha_s * sigma_s**2
    gain = covariance / sigma_t**2
    return gain, alpha_s - gain * alpha_t, math.sqrt(sigma_s**2 - gain * covariance)


@given(st.floats(0.02, 1.0), st.floats(0.01, 0.97))
def test_ddpm_is_the_gaussian_posterior(t: float, ratio: float) -> None:
    got = diffusion.ddpm_coefficients(t, t * ratio)
    assert got == pytest.approx(gaussian_posterior(t, t * ratio), rel=1e-6, abs=1e-7)


def test_ddpm_from_pure_noise_forgets_the_noise() -> None:
    z_scale, x_scale, std = diffusion.ddpm_coefficients(1.0, 0.5)
    assert z_scale == pytest.approx(0.0, abs=1e-12)
    assert x_scale == pytest.approx(math.cos(math.pi / 4))
    assert std == pytest.approx(math.sin(math.pi / 4))


@pytest.mark.parametrize('sampler', diffusion.SAMPLERS)
def test_samples_of_a_gaussian_world_have_its_variance(sampler: str) -> None:
    """Codes ~ N(0.3, 0.2^2) have a closed-form denoiser; samples must have that distribution."""
    mean, spread, count = 0.3, 0.2, 20_000
    random = np.random.default_rng(0)

    def denoise(z: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        alpha, sigma = (float(a) for a in diffusion.alpha_sigma(t))
        gain = alpha * spread**2 / (alpha**2 * spread**2 + sigma**2)
        x = mean + gain * (z - alpha * mean)
        return x, (z - alpha * x) / sigma

    noise = random.standard_normal(count)
    fresh = (random.standard_normal(count) for _ in itertools.count())
    got = diffusion.sample(
        denoise, noise, diffusion.trailing_times(400), sampler=sampler, fresh_noise=fresh
    )
    assert got.mean() == pytest.approx(mean, abs=0.01)
    assert got.std() == pytest.approx(spread, rel=0.06)


@pytest.mark.parametrize(
    ('keywords', 'message'),
    [
        ({'sampler': 'heun'}, "'heun'; allowed: ddpm, ddim"),
        ({'sampler': 'ddpm'}, 'fresh_noise'),
        ({'sampler': 'ddpm', 'fresh_noise': iter(())}, 'fresh_noise ran out'),
    ],
)
def test_sampling_without_what_it_needs_is_refused(keywords: dict, message: str) -> None:
    with pytest.raises(CoreError, match=message):
        diffusion.sample(oracle('v'), EPS, [1.0, 0.5], **keywords)


def test_sampling_without_times_is_refused() -> None:
    with pytest.raises(CoreError, match='times is empty'):
        diffusion.sample(oracle('v'), EPS, [])


@pytest.mark.parametrize('kind', KINDS)
def test_torch_tensors_take_the_same_functions(kind: str) -> None:
    torch = pytest.importorskip('torch')
    t = np.float32([0.1, 0.7]).reshape(2, 1, 1, 1)
    alpha, sigma = diffusion.alpha_sigma(t)
    z = diffusion.add_noise(X, EPS, alpha, sigma)
    expected = diffusion.x0_eps_from_prediction(EPS, z, alpha, sigma, kind)
    alpha_t, sigma_t = diffusion.alpha_sigma(torch.from_numpy(t))
    assert isinstance(alpha_t, torch.Tensor)
    z_t = diffusion.add_noise(torch.from_numpy(X), torch.from_numpy(EPS), alpha_t, sigma_t)
    got = diffusion.x0_eps_from_prediction(torch.from_numpy(EPS), z_t, alpha_t, sigma_t, kind)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == torch.float32
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5, atol=1e-5)
    v = diffusion.v_target(torch.from_numpy(X), torch.from_numpy(EPS), alpha_t, sigma_t)
    np.testing.assert_allclose(
        v.numpy(), diffusion.v_target(X, EPS, alpha, sigma), rtol=1e-5, atol=1e-6
    )
    assert diffusion.alpha_sigma(torch.ones(1))[0].item() == 0.0
