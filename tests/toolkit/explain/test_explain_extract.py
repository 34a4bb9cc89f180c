"""Features of one layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from runtime.errors import InputError, SpecError
from toolkit.builder.network import Network
from toolkit.explain.extract import extract_feature


def test_without_a_layer_the_embedding_is_what_enters_the_last_linear_layer(
    lenet: Network, digit: torch.Tensor
) -> None:
    rows = torch.cat([digit, 1 - digit, digit / 2])
    features = extract_feature(lenet, rows, batch_size=2)
    assert features.shape == (3, 84)
    assert features.dtype == np.float32
    with torch.no_grad():
        last = torch.from_numpy(features) @ lenet[0].linear3.weight.T + lenet[0].linear3.bias
        torch.testing.assert_close(last, lenet.logits(rows))


def test_a_named_layer_is_flattened_unless_its_shape_is_to_stay(lenet: Network, digit: torch.Tensor) -> None:
    flat = extract_feature(lenet, digit.numpy(), "lenet1.pool2")
    shaped = extract_feature(lenet, digit, "*pool2", keep_shape=True)
    assert flat.shape == (1, 400)
    assert shaped.shape == (1, 16, 5, 5)
    np.testing.assert_array_equal(flat, shaped.reshape(1, 400))


def test_the_network_stays_as_it_was(lenet: Network, digit: torch.Tensor) -> None:
    lenet.train()
    lenet[0].conv1.eval()
    state = torch.get_rng_state()
    extract_feature(lenet, digit)
    assert lenet.training
    assert not lenet[0].conv1.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in lenet.parameters())


def test_dropout_has_no_say() -> None:
    layers = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Linear(50, 2)).train()
    assert extract_feature(layers, torch.ones(2, 50)).tolist() == [[1.0] * 50] * 2


def test_sequences_of_tokens_and_doubles() -> None:
    tokens = torch.nn.Sequential(torch.nn.Embedding(7, 4), torch.nn.GRU(4, 3, batch_first=True))
    assert extract_feature(tokens, np.zeros((2, 5), np.int64), "1").shape == (2, 15)
    assert extract_feature(torch.nn.Sequential(torch.nn.Linear(2, 1)), np.ones((1, 2))).dtype == np.float32


def test_what_cannot_be_extracted_says_why(lenet: Network, digit: torch.Tensor) -> None:
    with pytest.raises(SpecError, match=r"matches 2 layers: lenet1\.pool1, lenet1\.pool2"):
        extract_feature(lenet, digit, "*pool*")
    with pytest.raises(SpecError, match="Did you mean"):
        extract_feature(lenet, digit, "lenet1.linaer3")
    with pytest.raises(SpecError, match="runs no linear layer"):
        extract_feature(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1)), digit)
    attention = torch.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    with pytest.raises(SpecError, match=r"'self_attn.out_proj' is not run by itself"):
        extract_feature(attention, torch.zeros(1, 3, 4), "self_attn.out_proj")
    with pytest.raises(SpecError, match="does not count inputs"):
        extract_feature(torch.nn.Sequential(torch.nn.Flatten(0)), torch.zeros(2, 3), "0")
    with pytest.raises(InputError, match=r"cannot take an input of shape \(1, 2, 28, 28\)"):
        extract_feature(lenet, torch.zeros(1, 2, 28, 28))
    for nothing in (np.zeros((0, 1, 28, 28)), 3.0, "picture.png", [object()]):
        with pytest.raises(InputError):
            extract_feature(lenet, nothing)  # type: ignore[arg-type]
