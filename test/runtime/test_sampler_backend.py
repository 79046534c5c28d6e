# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The estimator with a backend that runs the sampler itself: the same depth and noise."""

from pathlib import Path

import numpy as np
import pytest
from oracle_model import CONTRACT, write_oracle

from dmd_ros import Camera, DepthEstimator
from dmd_ros.core.errors import CoreError
from dmd_ros.runtime.backend import OUTPUT, SamplerBackend
from dmd_ros.runtime.host_sampler import sample_on_host
from dmd_ros.runtime.ort_backend import OrtBackend

CAMERA = Camera(60.0, 60.0, 31.5, 23.5, 64, 48)
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


class Sampling(OrtBackend):
    """ONNX Runtime with the host's sampler inside; records the noise that it receives."""

    fixed_samples = 2

    def sample(self, rgb, fov, noise, fresh, times, sampler):  # type: ignore[no-untyped-def]
        fresh = [next(fresh) for _ in times[1:]]
        self.given = [noise, *fresh]
        run = lambda feeds: self.run(feeds)[OUTPUT]  # noqa: E731
        return sample_on_host(run, CONTRACT, rgb, fov, noise, iter(fresh), times, sampler)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_oracle(tmp_path / 'oracle.onnx')


@pytest.mark.parametrize('temporal', ['fixed', 'blend', 'random'])
def test_same_depth(model: Path, temporal: str) -> None:
    inside, outside = Sampling(model, 'cpu', 1), OrtBackend(model, 'cpu', 1)
    assert isinstance(inside, SamplerBackend) and not isinstance(outside, SamplerBackend)
    settings = {'steps': 3, 'samples': 2, 'temporal': temporal}
    first, second = (DepthEstimator(CONTRACT, b, **settings) for b in (inside, outside))
    for _ in range(2):
        a, b = first(PICTURE, CAMERA), second(PICTURE, CAMERA)
        np.testing.assert_array_equal(a.depth, b.depth)
        np.testing.assert_array_equal(a.uncertainty, b.uncertainty)
        assert a.timings.keys() == b.timings.keys()


def test_fixed_noise_is_always_the_same_array_objects(model: Path) -> None:
    """A backend that keeps noise on the device recognises it, so it is not uploaded again."""
    backend = Sampling(model, 'cpu', 1)
    estimator = DepthEstimator(CONTRACT, backend, steps=3, samples=2)
    estimator(PICTURE, CAMERA)
    before = backend.given
    estimator(PICTURE, CAMERA)
    assert len(before) == 3 and all(a is b for a, b in zip(before, backend.given, strict=True))
    assert not any(a.flags.writeable for a in before)


def test_engine_for_other_samples(model: Path) -> None:
    with pytest.raises(CoreError, match='samples=3: the engine was built for 2'):
        DepthEstimator(CONTRACT, Sampling(model, 'cpu', 1), samples=3)
