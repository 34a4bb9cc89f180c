"""The summary's figures are torch's and those counted by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from model_zoo import LeNet
from runtime.errors import SpecError
from toolkit import nn
from toolkit.builder.layer_examples import EXAMPLES
from toolkit.builder.spec import build
from toolkit.builder.summary import summarize


def model(shape: tuple[int, ...] | None, *layers: tuple[str, dict[str, Any]]) -> nn:
    network = nn("cls", input_shape=shape)
    for name, arguments in layers:
        network.add(name, **arguments)
    return network


@pytest.mark.parametrize(
    ("shape", "layer", "parameters", "multiply_adds"),
    [
        ((4,), ("linear", {"size": 3}), 4 * 3 + 3, 4 * 3),
        ((4,), ("linear", {"size": 3, "bias": False}), 4 * 3, 4 * 3),
        ((2, 3, 4), ("linear", {"size": 5}), 24 * 5 + 5, 24 * 5),
        # a convolution: each of the output's numbers takes channels * kernel multiplications
        ((3, 10, 8), ("conv2d", {"size": 6, "kernel_size": 3}), 3 * 9 * 6 + 6, 3 * 9 * 6 * (8 * 6)),
        ((1, 9, 9), ("conv2d", {"size": 2, "kernel_size": (3, 1), "stride": 2}), 3 * 2 + 2, 3 * 2 * (4 * 5)),
        (
            (4, 6, 6),
            ("conv2d", {"size": 8, "kernel_size": 3, "groups": 4, "padding": 1, "bias": False}),
            9 * 8,
            9 * 8 * 36,
        ),
        ((1, 8, 8), ("maxpool", {"kernel_size": 2}), 0, 0),
        ((3, 8, 8), ("batchnorm2d", {}), 6, 0),
    ],
)
def test_a_layers_figures_are_those_counted_by_hand(
    shape: tuple[int, ...], layer: tuple[str, dict[str, Any]], parameters: int, multiply_adds: int
) -> None:
    summary = model(shape, layer).summary()
    assert (summary.parameters, summary.multiply_adds) == (parameters, multiply_adds)


def test_every_module_has_a_row_in_the_order_of_execution() -> None:
    network = nn("cls", input_shape=(1, 8, 8))
    network.add("conv2d", size=2, kernel_size=3, activation="relu")
    network.add("maxpool", kernel_size=2)
    network.add("linear", size=5, activation="softmax")
    rows = network.summary().rows
    assert [row.kind for row in rows] == ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear", "Softmax"]
    assert [row.output_shape for row in rows] == [(2, 6, 6), (2, 6, 6), (2, 3, 3), (18,), (5,), (5,)]
    assert sum(row.parameters for row in rows) == sum(weight.numel() for weight in network.model.parameters())


def test_lenet_has_its_known_figures() -> None:
    summary = summarize(LeNet((1, 28, 28), 10), (1, 28, 28))
    assert summary.parameters == 61_706
    assert summary.multiply_adds == 25 * 6 * 784 + 150 * 16 * 100 + 400 * 120 + 120 * 84 + 84 * 10


def test_the_table_shows_shapes_and_totals() -> None:
    text = str(model((1, 28, 28), ("lenet", {"num_classes": 10})).summary())
    lines = text.splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "shape", "parameters", "multiply-adds"]
    assert "(N, 1, 28, 28)" in lines[2]
    assert any("(N, 16, 10, 10)" in line and "2,416" in line and "240,000" in line for line in lines)
    assert lines[-1].split() == ["total", "61,706", "416,520"]


def test_the_facts_survive_json() -> None:
    facts = model((4,), ("linear", {"size": 3})).summary().to_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["layers"] == [
        {"name": "linear1", "kind": "Linear", "output_shape": [3], "parameters": 15, "multiply_adds": 12}
    ]


def test_summarizing_leaves_the_network_as_it_was() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout()).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    summarize(network, (4,))
    assert network.training
    assert not network[0]._forward_hooks
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_an_unknown_input_shape_can_be_said() -> None:
    network = model(None, ("conv2d", {"size": (1, 2), "kernel_size": 3}))
    with pytest.raises(SpecError, match=r"not known yet. Load data first, or say it: summary\(\(1, 28, 28\)\)"):
        network.summary()
    assert network.summary((1, 5, 5)).rows[0].output_shape == (2, 3, 3)
    with pytest.raises(SpecError, match="input shape 5 was given"):
        network.summary(5)  # type: ignore[arg-type]


def test_print_model_prints_the_table_or_what_was_added(capsys: pytest.CaptureFixture[str]) -> None:
    model(None, ("conv2d", {"size": (1, 2), "kernel_size": 3})).print_model()
    added = capsys.readouterr().out
    assert "conv2d" in added
    assert "size=(1, 2), kernel_size=3" in added
    model((4,), ("linear", {"size": 3})).print_model()
    assert "multiply-adds" in capsys.readouterr().out


def specified(name: str) -> torch.nn.Module:
    with torch.device("meta"):
        return build(EXAMPLES[name].spec(name))


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"mobilenet", "mobilenet_backbone"}))
def test_every_weight_of_every_layer_is_counted_once(name: str) -> None:
    network, example = specified(name), EXAMPLES[name]
    summary = summarize(network, example.input_shape, example.dtype)
    assert summary.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert summary.rows
    assert all(row.multiply_adds >= 0 for row in summary.rows)


@pytest.mark.parametrize(
    ("name", "multiply_adds"),
    [
        ("rnn", 9 * (6 * 5 + 5 * 5)),
        ("lstm", 9 * 2 * 4 * (6 * 5 + 5 * 5) + 9 * 2 * 4 * (10 * 5 + 5 * 5)),  # both directions, two layers, four gates
        ("gru", 8 * 2 * 3 * (6 * 5 + 5 * 5)),
        ("em_lstm", 8 * 4 * (6 * 5 + 5 * 5) + 8 * 4 * (5 * 5 + 5 * 5) + 8 * 5 * 20),
        ("lstm_cell", 9 * 4 * (6 * 5 + 5 * 5)),
        ("bilinear", 3 * 4 * 5),
        ("depthwise_conv2d", 9 * 8 * 12 * 13),
    ],
)
def test_multiply_adds_of_steps_and_channels_are_those_counted_by_hand(name: str, multiply_adds: int) -> None:
    example = EXAMPLES[name]
    assert summarize(specified(name), example.input_shape, example.dtype).multiply_adds == multiply_adds


def test_a_module_that_uses_the_weights_inside_it_has_a_row() -> None:
    """torch's attention never runs its output projection as a module."""
    network = torch.nn.Sequential(torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
    summary = summarize(network, (5, 8))
    rows = {row.name: row.parameters for row in summary.rows}
    assert rows["0.self_attn"] == 4 * 8 * 8 + 4 * 8
    assert summary.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_a_shared_weight_is_counted_once_and_several_outputs_show_the_first() -> None:
    linear = torch.nn.Linear(4, 4)
    assert summarize(torch.nn.Sequential(linear, torch.nn.ReLU(), linear), (4,)).parameters == 20
    lstm = summarize(torch.nn.Sequential(torch.nn.LSTM(4, 3, batch_first=True)), (6, 4))
    assert lstm.rows[0].output_shape == (6, 3)
    assert summarize(linear, (4,)).rows[0].kind == "Linear"
