"""What the builder believes of an input that it does not know yet: nothing that depends on its length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from runtime.errors import SpecError
from toolkit import nn


class First(torch.nn.Module):
    """The first `most` columns."""

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self.most = most

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., : self.most]


def residual_network(features: int = 512) -> nn:
    """ResNet-18's stem, its strides and its head, layer by layer, before any data."""
    model = nn("cls")
    model.add("conv2d", size=(3, 8), kernel_size=7, stride=2, padding=3, activation="relu")
    model.add("maxpool", kernel_size=3, stride=2, padding=1)
    channels = 8
    for wider in (16, 32, features):
        model.add("conv2d", size=(channels, wider), kernel_size=3, stride=2, padding=1, activation="relu")
        channels = wider
    model.add("avgpool", kernel_size=7)
    model.add("linear", size=(features, 10), activation="softmax")
    return model


def test_a_pooling_that_leaves_as_much_of_two_lengths_says_nothing_of_a_third() -> None:
    model = residual_network()
    model.load_dataset(
        np.zeros((4, 3, 224, 224), "float32"), np.array([0, 1, 2, 9]), classes=[str(n) for n in range(10)]
    )
    assert model.model(torch.zeros(2, 3, 224, 224)).shape == (2, 10)


def test_what_does_not_fit_is_refused_when_the_size_is_known() -> None:
    model = residual_network(256)
    model.add("linear", size=(10, 3))
    with pytest.raises(SpecError, match="linear"):
        model.load_dataset(np.zeros((3, 3, 480, 480), "float32"), np.array([0, 1, 2]))
        model.model  # noqa: B018


def test_a_length_that_all_inputs_have_in_common_is_known() -> None:
    model = nn("cls")
    model.add("conv2d", size=(3, 8), kernel_size=3)
    model.add("adaptiveavgpool", output_size=(2, 2))
    with pytest.raises(SpecError, match="32"):
        model.add("linear", size=(31, 10))


def test_a_cut_is_not_taken_for_a_fixed_length() -> None:
    model = nn("cls")
    model.add("conv1d", size=(3, 8), kernel_size=3)
    model.add(First)
    model.add("linear", size=(8 * 62, 10))
