"""Residual and Inception blocks and the U-Net are those of their papers, at any height and width."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_zoo import Inception, ResidualBlock, ResidualBottleneck, UNet, residual_stage


def numbers(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stage", ["layer1", "layer2"])
@pytest.mark.parametrize(("name", "block"), [("resnet18", ResidualBlock), ("resnet50", ResidualBottleneck)])
def test_a_stage_of_blocks_is_torchvisions_with_the_same_weights(
    name: str, block: Any, stage: str, training: bool
) -> None:
    import torchvision

    torch.manual_seed(0)
    theirs = getattr(torchvision.models.get_model(name, weights=None), stage).train(training)
    first = theirs[0].conv1
    stride = 2 if stage == "layer2" else 1
    ours = residual_stage(block, first.in_channels, first.out_channels, len(theirs), stride).train(training)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, first.in_channels, 15, 10)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_a_bottleneck_has_four_times_its_width() -> None:
    assert residual_stage(ResidualBottleneck, 5, 6, 2, 2)(torch.rand(2, 5, 9, 8)).shape == (2, 24, 5, 4)
    assert residual_stage(ResidualBlock, 5, 6, 2, 2)(torch.rand(2, 5, 9, 8)).shape == (2, 6, 5, 4)


def test_the_first_inception_block_of_the_paper_has_its_filters() -> None:
    block = Inception.of_width(192, 256)
    assert block(torch.rand(2, 192, 7, 9)).shape == (2, 256, 7, 9)
    convolutions = [part for part in block.modules() if isinstance(part, torch.nn.Conv2d)]
    assert [(part.in_channels, part.out_channels, part.kernel_size[0]) for part in convolutions] == [
        (192, 64, 1), (192, 96, 1), (96, 128, 3), (192, 16, 1), (16, 32, 5), (192, 32, 1),
    ]  # fmt: skip


def test_an_inception_block_takes_the_filters_given_and_refuses_what_does_not_divide() -> None:
    block = Inception(3, 5, (2, 6), (1, 7), 4)
    assert block.out_channels == 22
    assert block(torch.rand(2, 3, 5, 4)).shape == (2, 22, 5, 4)
    with pytest.raises(ValueError, match="12 filters do not divide"):
        Inception.of_width(3, 12)
    assert Inception.of_width(3, 8)(torch.rand(1, 3, 4, 4)).shape == (1, 8, 4, 4)


def test_the_u_net_of_the_paper_has_its_widths() -> None:
    with torch.device("meta"):
        network = UNet(1, 2)
    convolutions = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    normalisations = [part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert len(convolutions) + len(network.grow) == 23  # as the paper counts them
    # its 31,030,658 weights and offsets, and the factors of the normalisations, whose offsets stand for the convolutions'
    assert numbers(network) == 31_030_658 + sum(part.num_features for part in normalisations)
    assert network.down[-1][0].out_channels == 1024


@settings(max_examples=25, deadline=None, derandomize=True)
@given(height=st.integers(1, 40), width=st.integers(1, 40), depth=st.integers(1, 4))
def test_a_map_has_the_height_and_width_of_the_picture(height: int, width: int, depth: int) -> None:
    network = UNet(3, 5, depth=depth, width=2).eval()
    assert network(torch.rand(2, 3, height, width)).shape == (2, 5, height, width)


def test_a_u_net_learns_a_map() -> None:
    torch.manual_seed(0)
    network = UNet(1, 2, depth=2, width=8)
    pictures = torch.rand(8, 1, 13, 11)
    targets = (pictures[:, 0] > 0.5).long()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(network(pictures), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network(pictures).argmax(1) == targets).float().mean() > 0.97


@pytest.mark.parametrize(
    "module",
    [
        residual_stage(ResidualBlock, 3, 8, 2, 2),
        residual_stage(ResidualBottleneck, 3, 8, 2, 2),
        Inception.of_width(3, 16),
        UNet(3, 4, depth=2, width=4),
    ],
    ids=lambda module: type(module).__name__,
)
def test_copies_are_equal_and_gradients_reach_every_weight(module: torch.nn.Module) -> None:
    x = torch.rand(4, 3, 9, 8)
    copied = copy.deepcopy(module)
    assert list(copied.state_dict()) == list(module.state_dict())
    torch.testing.assert_close(copied.eval()(x), module.eval()(x))
    (module.train()(x) * torch.rand_like(module(x))).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in module.parameters())
