"""Recurrent layers by name: shapes, the mask of an embedding before them, and the familiar chains."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch

from runtime.errors import SpecError
from toolkit.builder.network import Network
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check

WHOLE = ("rnn", "lstm", "gru")
CELLS = ("rnn_cell", "lstm_cell", "gru_cell")


def spec(shape: tuple[int, ...], *layers: tuple[str, dict[str, Any]], **rest: Any) -> NetworkSpec:
    entries = (LayerSpec.parse(name, arguments, None, place) for place, (name, arguments) in enumerate(layers, start=1))
    return NetworkSpec(shape, tuple(entries), **rest)


def made(shape: tuple[int, ...], *layers: tuple[str, dict[str, Any]], **rest: Any) -> Network:
    torch.manual_seed(0)
    return build(spec(shape, *layers, **rest))


@pytest.mark.parametrize("name", [*WHOLE, *CELLS])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"size": (4, 3)}, (7, 3)),
        ({"size": 3}, (7, 3)),
        ({"size": 3, "bidirectional": True}, (7, 6)),
        ({"size": 3, "last_step": True}, (3,)),
        ({"size": 3, "bidirectional": True, "bias": False, "last_step": True}, (6,)),
    ],
)
def test_shapes_are_inferred_and_are_the_real_ones(
    name: str, arguments: dict[str, Any], expected: tuple[int, ...]
) -> None:
    described = spec((7, 4), (name, arguments))
    full, shapes = check(described)
    assert shapes == [expected]
    assert full.layers[0].arguments["size"] == (4, 3)
    network = build(NetworkSpec.from_dict(json.loads(json.dumps(full.to_dict()))))
    x = torch.randn(2, 7, 4)
    assert network(x).shape == (2, *expected)
    copied = copy.deepcopy(network)
    assert list(copied.state_dict()) == list(network.state_dict())
    assert torch.equal(copied(x), network(x))


def test_names_are_found_as_they_are_commonly_written() -> None:
    for written in ("LSTM", "Lstm", "LSTM_Cell", "lstmcell", "em_LSTM", "EmLSTM", "Action_Model"):
        assert LayerSpec.parse(written, {"size": (4, 3)}, None, 1).layer in (
            "lstm",
            "lstm_cell",
            "em_lstm",
            "action_model",
        )


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("lstm", {"size": (5, 3)}, "size=(5, 3) expects 5 input features, but it receives 4"),
        ("lstm", {"size": 3, "dropout": 0.5}, "dropout=0.5 works between layers"),
        ("lstm", {"size": 3, "dropout": 1.5}, "dropout=1.5 was given"),
        ("rnn", {"size": 3, "nonlinearity": "gelu"}, "nonlinearity='gelu' was given; 'tanh' or 'relu' is expected"),
        ("gru", {"size": 3, "num_layers": 0}, "num_layers=0 was given"),
        ("gru", {"size": 3, "hidden": 2}, "there is no argument 'hidden'"),
        ("action_model", {}, "the argument size is missing"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        check(spec((7, 4), (name, arguments)))
    assert words in str(caught.value)
    assert f"layer 1 {name!r}" in str(caught.value)


def test_a_picture_is_no_sequence() -> None:
    with pytest.raises(SpecError, match=r"\(N, length, features\) is expected, but it receives \(N, 3, 8, 8\)"):
        check(spec((3, 8, 8), ("lstm", {"size": 3})))


@pytest.mark.parametrize("name", [*WHOLE, *CELLS])
def test_padding_behind_an_embedding_changes_nothing(name: str) -> None:
    """The mask reaches the layer, and the layers of the whole chain behind it."""
    layers = (
        ("embedding", {"size": (9, 4), "padding_idx": 0}),
        (name, {"size": 5}),
        ("dropout", {}),
        (name, {"size": 3, "last_step": True, "bidirectional": True}),
        ("linear", {"size": 2}),
    )
    network = made((6,), *layers).eval()
    short = torch.tensor([[3, 1, 4]])
    for padded in ([[3, 1, 4, 0, 0, 0]], [[0, 0, 0, 3, 1, 4]], [[0, 3, 1, 0, 4, 0]]):
        torch.testing.assert_close(network(torch.tensor(padded)), network(short), rtol=0, atol=1e-6)


def test_a_language_model_takes_the_vocabulary_of_its_data() -> None:
    network = made((6,), ("em_lstm", {"size": (4, 5), "num_layers": 2}), vocabulary=11, input_dtype="int64")
    tokens = torch.randint(0, 11, (2, 6))
    assert network(tokens).shape == (2, 6, 11)
    logits, _ = network[0].step(tokens[:, 0])  # type: ignore[operator]
    torch.testing.assert_close(logits, network(tokens)[:, 0], rtol=1e-5, atol=1e-6)
    with pytest.raises(SpecError, match="padding_idx=11 is no token"):
        made((6,), ("em_lstm", {"size": (4, 5), "padding_idx": 11}), vocabulary=11, input_dtype="int64")
    with pytest.raises(SpecError, match="needs vocabulary"):
        made((6,), ("em_lstm", {"size": (4, 5)}), input_dtype="int64")


@pytest.mark.parametrize("training", [True, False])
def test_the_action_model_is_its_long_form_layer_by_layer(training: bool) -> None:
    short = made((10, 132), ("action_model", {"size": (132, 256)})).train(training)
    long = made((10, 132), ("lstm", {"size": (132, 256), "last_step": True}), ("batchnorm1d", {"size": 256})).train(
        training
    )
    long[0].load_state_dict(short[0].lstm.state_dict())  # type: ignore[union-attr, arg-type]
    x = torch.randn(4, 10, 132)
    assert short(x).shape == (4, 256)
    torch.testing.assert_close(long(x), short(x), rtol=0, atol=1e-6)


class ThreeLSTMs(torch.nn.Module):
    """A recogniser of movements written by hand: two LSTMs over all frames, one over the last, four linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm1 = torch.nn.LSTM(132, 128, batch_first=True)
        self.lstm2 = torch.nn.LSTM(128, 256, batch_first=True)
        self.lstm3 = torch.nn.LSTM(256, 256, batch_first=True)
        self.norm = torch.nn.BatchNorm1d(256)
        self.head = torch.nn.Sequential(
            *(torch.nn.Linear(*size) for size in ((256, 256), (256, 128), (128, 64), (64, 3)))
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        every = self.lstm2(self.lstm1(frames)[0])[0]
        last = self.lstm3(every[:, -1:])[0]
        result: torch.Tensor = self.head(self.norm(last[:, 0])).softmax(1)
        return result


def test_the_familiar_chain_of_lstms_is_the_network_written_by_hand() -> None:
    layers: list[tuple[str, dict[str, Any]]] = [
        ("lstm", {"size": (132, 128)}),
        ("dropout", {"p": 0.2}),
        ("lstm", {"size": (128, 256)}),
        ("dropout", {"p": 0.2}),
        ("unsqueeze", {}),
        ("lstm", {"size": (256, 256)}),
        ("squeeze", {}),
        ("batchnorm1d", {"size": 256}),
        *(("linear", {"size": size}) for size in ((256, 256), (256, 128), (128, 64), (64, 3))),
    ]
    described = spec((30, 132), *layers)
    softmax = LayerSpec.parse(None, {}, "Softmax", 13)
    torch.manual_seed(0)
    network = build(NetworkSpec(described.input_shape, (*described.layers, softmax))).eval()
    hand = ThreeLSTMs().eval()
    hand.norm.running_mean.normal_()  # type: ignore[union-attr, operator]
    values = iter(hand.state_dict().values())
    ours = network.state_dict()
    assert len(ours) == len(hand.state_dict())
    network.load_state_dict(dict(zip(ours, values, strict=True)))
    frames = torch.randn(4, 30, 132)
    torch.testing.assert_close(network(frames), hand(frames), rtol=0, atol=1e-6)
    torch.testing.assert_close(network(frames[:1]), hand(frames[:1]), rtol=0, atol=1e-6)
