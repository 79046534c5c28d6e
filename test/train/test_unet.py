# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from small_set import camera
from torch.nn import functional

from train.presets import PRESETS, main
from train.unet import Attention, UNet, parameter_count, pixel_rays


@pytest.mark.parametrize(
    ('name', 'millions', 'tolerance'),
    [
        ('nano', 2.0, 0.1),
        ('tiny', 7.5, 0.05),
        ('small', 30.0, 0.1),
        ('base', 100.0, 0.05),
        ('paper', 704.0, 0.01),
    ],
)
def test_presets_have_their_size(name: str, millions: float, tolerance: float) -> None:
    with torch.device('meta'):
        count = parameter_count(UNet(PRESETS[name].net))
    assert count / 1e6 == pytest.approx(millions, rel=tolerance)
    assert PRESETS[name].net.stride == 16


def test_the_command_prints_the_table_and_takes_no_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(PRESETS)
    with pytest.raises(SystemExit, match='2'):
        main(['bogus'])
    assert 'unrecognized arguments: bogus' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['micro', 'nano', 'paper'])
@pytest.mark.parametrize('size', [(32, 48), (64, 16)])
def test_any_multiple_of_the_stride_fits(name: str, size: tuple[int, int]) -> None:
    with torch.device('meta'):
        net = UNet(PRESETS[name].net, rays=True)
        out = net(torch.empty(2, 3, *size), torch.empty(2, 1, *size), *torch.empty(2, 2))
    assert out.shape == (2, 1, *size)


def _feeds() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.rand(2, 3, 16, 16), torch.rand(2, 1, 16, 16), torch.rand(2), torch.rand(2)]


def test_starts_at_zero() -> None:
    assert UNet(PRESETS['micro'].net)(*_feeds()).abs().max() == 0


@pytest.mark.parametrize(
    ('fov', 'rays', 'sees'),
    [(True, False, True), (False, True, True), (False, False, False)],
)
def test_field_of_view_reaches_the_output_unless_switched_off(
    fov: bool, rays: bool, sees: bool
) -> None:
    net = UNet(PRESETS['micro'].net, fov=fov, rays=rays)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    rgb, z, t, tan = _feeds()
    differs = not torch.equal(net(rgb, z, t, tan), net(rgb, z, t, tan + 0.3))
    assert differs == sees


def test_rays_are_those_of_the_camera() -> None:
    cam = camera(width=24, height=16, fy=11.0)
    tan = torch.tensor([cam.tan_half_vfov])
    rays = pixel_rays(torch.empty(1, 1, 16, 24), tan)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(rays, cam.rays(), atol=1e-6)


def test_attention_equals_that_of_torch() -> None:
    torch.manual_seed(0)
    block, x = Attention(16, 8), torch.randn(2, 16, 3, 5)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    q, k, v = block.qkv(block.norm(x)).reshape(2, 3, 2, 8, 15).transpose(3, 4).unbind(1)
    mixed = functional.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(x.shape)
    torch.testing.assert_close(block(x), x + block.out(mixed), rtol=1e-4, atol=1e-5)


def test_the_compiled_network_computes_the_same() -> None:
    """Normalisation and up-sampling have a variant for the compiler."""
    torch.manual_seed(0)
    net = UNet(PRESETS['micro'].net, rays=True)
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.1)
    feeds = (
        torch.randn(2, 3, 24, 32),
        torch.randn(2, 1, 24, 32),
        torch.tensor([1.0, 0.4]),
        torch.tensor([0.3, 0.9]),
    )
    results = []
    for model in (net, torch.compile(net, backend='aot_eager', dynamic=False)):
        net.zero_grad()
        out = model(*feeds)
        (out * out).mean().backward()
        results.append([out.detach(), *(p.grad.clone() for p in net.parameters())])
    for plain, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, plain, rtol=1e-3, atol=1e-5)
