# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sampler as uniform steps, and the text of the device kernel, against core.diffusion."""

import dataclasses
import re

import numpy as np
import pytest
from fake_gpu import run_ptx
from oracle_model import CONTRACT

from dmd_ros.core import diffusion
from dmd_ros.core.errors import CoreError
from dmd_ros.runtime import sampler_ptx
from dmd_ros.runtime.backend import Feeds
from dmd_ros.runtime.host_sampler import sample_on_host
from dmd_ros.runtime.sampler_plan import linear_steps


def prediction(feeds: Feeds) -> np.ndarray:
    """A stand-in network: any fixed function of z and t, large enough that x is clipped."""
    return (np.sin(3.0 * feeds['z'] + feeds['t'][0]) * 1.2).astype(np.float32)


@pytest.mark.parametrize('parameterisation', ['v', 'eps', 'x0'])
@pytest.mark.parametrize('sampler', diffusion.SAMPLERS)
@pytest.mark.parametrize('steps', [1, 2, 3, 4])
def test_kernel_equals_host_to_the_bit(parameterisation: str, sampler: str, steps: int) -> None:
    random = np.random.default_rng(0)
    noise = random.standard_normal((2, 1, 50, 70), np.float32)
    fresh = [random.standard_normal(noise.shape, np.float32) for _ in range(steps)]
    times = diffusion.trailing_times(steps)
    contract = dataclasses.replace(CONTRACT, parameterisation=parameterisation)
    rgb = np.zeros((1, 3, 50, 70), np.float32)
    expected = sample_on_host(prediction, contract, rgb, 0.5, noise, iter(fresh), times, sampler)
    z = noise
    for index, step in enumerate(linear_steps(parameterisation, times, sampler)):
        v = prediction({'z': z, 't': np.full(1, step.t, np.float32)})
        z = run_ptx(z, v, fresh[index], step.coefficients)
    assert expected.dtype == np.float32
    assert (expected == 1.0).any() and (np.abs(expected) < 1.0).any()
    np.testing.assert_array_equal(z, expected)


def test_a_contracted_product_would_be_detected() -> None:
    """The comparison above is strict: a fused multiply-add gives other numbers."""
    random = np.random.default_rng(0)
    z, v = random.standard_normal((2, 3500)).astype(np.float32)
    (step,) = linear_steps('v', [0.5], 'ddim')
    x_z, x_v = step.coefficients[:2]
    exact = np.float64(x_z) * z.astype(np.float64)
    contracted = (exact + x_v * v).astype(np.float32)
    wanted = np.clip(x_z * z + x_v * v, np.float32(-1.0), np.float32(1.0))
    np.testing.assert_array_equal(run_ptx(z, v, np.zeros_like(z), step.coefficients), wanted)
    assert (np.clip(contracted, -1.0, 1.0) != wanted).mean() > 0.05


def test_kernel_keeps_nan() -> None:
    (step,) = linear_steps('v', [1.0], 'ddim')
    v = np.array([np.nan, -5.0, 5.0], np.float32)
    zeros = np.zeros(3, np.float32)
    np.testing.assert_array_equal(run_ptx(zeros, v, zeros, step.coefficients), [np.nan, 1.0, -1.0])


def test_kernel_declares_what_is_passed() -> None:
    declared = re.findall(r'\.param \.(u64|f32|u32) ', sampler_ptx.PTX.split('{')[0])
    letters = {'u64': 'P', 'f32': 'f', 'u32': 'I'}
    assert ''.join(letters[d] for d in declared) == sampler_ptx.ARGUMENTS
    assert f'.entry {sampler_ptx.NAME}(' in sampler_ptx.PTX


def test_unknown_sampler_and_no_times() -> None:
    with pytest.raises(CoreError, match='allowed: ddpm, ddim'):
        linear_steps('v', [1.0], 'euler')
    with pytest.raises(CoreError, match='trailing_times'):
        linear_steps('v', [], 'ddim')
