"""The networks of model_zoo are what their papers and docstrings say."""

from __future__ import annotations

import pytest
import torch

from model_zoo import MLP, LeNet


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_lenet_has_the_61706_parameters_of_lenet_5() -> None:
    assert parameters(LeNet((1, 28, 28), 10)) == 61_706


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 12, 12), (1, 13, 31), (3, 17, 12)])
def test_lenet_takes_any_picture_of_at_least_twelve_pixels(shape: tuple[int, int, int]) -> None:
    assert LeNet(shape, 7)(torch.rand(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("shape", [(1, 11, 28), (1, 28, 11), (1, 8, 8)])
def test_lenet_says_which_picture_is_too_small(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"at least 12 x 12 pixels, got {shape[1]} x {shape[2]}"):
        LeNet(shape, 10)


@pytest.mark.parametrize(
    ("shape", "hidden", "count"),
    [
        ((4,), (10, 5), 4 * 10 + 10 + 10 * 5 + 5 + 5 * 3 + 3),
        ((4,), (), 4 * 3 + 3),
        ((2, 3, 4), (6,), 24 * 6 + 6 + 6 * 3 + 3),
    ],
)
def test_mlp_flattens_its_input_and_has_one_layer_more_than_hidden_widths(
    shape: tuple[int, ...], hidden: tuple[int, ...], count: int
) -> None:
    network = MLP(shape, 3, hidden)
    assert network(torch.rand(5, *shape)).shape == (5, 3)
    assert parameters(network) == count
    assert [type(layer) for layer in network].count(torch.nn.ReLU) == len(hidden)
    assert isinstance(list(network)[-1], torch.nn.Linear)


def test_gradients_reach_every_weight() -> None:
    for network, shape in ((LeNet((1, 12, 12), 3), (1, 12, 12)), (MLP((6,), 3), (6,))):
        network(torch.rand(8, *shape)).square().sum().backward()
        assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())
