"""Networks by name and from JSON files, as `toolkit train --model` takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import SpecError
from toolkit.builder.networks import network_layers, network_names
from toolkit.builder.spec import NetworkSpec, build, check


@pytest.mark.parametrize("name", ["lenet", "mlp", "LeNet", "MLP", "resnet18"])
def test_a_named_network_ends_in_one_probability_a_class(name: str) -> None:
    spec = NetworkSpec((1, 32, 32), network_layers(name, (), 7, "classification"))
    assert check(spec)[1][-1] == (7,)
    assert build(spec).ends_in == "softmax"


def test_the_names_are_those_of_whole_networks() -> None:
    names = network_names()
    assert {"lenet", "mlp", "resnet18", "mobilenet"} <= set(names)
    assert not {"linear", "conv2d", "res_block"} & set(names)


def test_layers_stand_as_add_takes_them_with_the_arguments_beside_the_name() -> None:
    layers = network_layers(
        None,
        [
            {"layer": "conv2d", "size": [1, 4], "kernel_size": 3, "activation": {"name": "elu", "alpha": 0.5}},
            {"layer": "linear", "arguments": {"size": 3}, "init": "orthogonal"},
            {"activation": "softmax"},
        ],
        3,
        "classification",
    )
    assert check(NetworkSpec((1, 6, 6), layers))[1] == [(4, 4, 4), (3,), (3,)]
    assert layers[1].init == "orthogonal"


def test_a_name_and_layers_together_are_refused() -> None:
    with pytest.raises(SpecError, match=r"model.name and model.layers were both given"):
        network_layers("lenet", [{"layer": "flatten"}], 3, "classification")


def test_a_named_network_for_regression_ends_in_plain_numbers() -> None:
    spec = NetworkSpec((5,), network_layers("mlp", (), 2, "regression"))
    assert check(spec)[1][-1] == (2,)
    assert build(spec).ends_in is None


def test_an_unknown_name_suggests() -> None:
    with pytest.raises(
        SpecError, match=r"There is no network 'lenett'. Did you mean 'lenet'.*\? A .json file may be given"
    ):
        network_layers("lenett", (), 10, "classification")


def test_a_json_file_holds_the_layers(tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    path.write_text(
        json.dumps(
            {
                "layers": [
                    {"layer": "Conv2D", "arguments": {"size": 4, "kernel_size": [3, 3]}, "activation": "ReLU"},
                    {"layer": "linear", "arguments": {"size": 3}},
                    {"layer": None, "activation": "softmax"},
                ]
            }
        ),
        encoding="utf-8",
    )
    layers = network_layers(path, (), 3, "classification")
    assert [layer.layer for layer in layers] == ["conv2d", "linear", None]
    assert check(NetworkSpec((1, 6, 6), layers))[1] == [(4, 4, 4), (3,), (3,)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "cannot be read as a network's description"),
        (b"\xff\xfe\x00", "cannot be read as a network's description"),
        (b"[" * 100_000, "cannot be read as a network's description"),
        (b"[]", "is malformed"),
        (b"5", "is malformed"),
        (b'{"layer": []}', "is malformed"),
        (b'{"layers": [{"layer": "linaer", "arguments": {"size": 3}}]}', "There is no layer 'linaer'"),
        (b'{"layers": [{"layer": "linear", "arguments": {"size": "3"}}]}', "layer 1 'linear': size='3' was given"),
    ],
)
def test_a_malformed_file_is_a_spec_error(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "network.json"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=words):
        network_layers(path, (), 3, "classification")


def test_a_missing_file_is_a_spec_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="does not exist"):
        network_layers(tmp_path / "network.json", (), 3, "classification")


@pytest.mark.parametrize("entry", [{"size": [4, 3]}, {"arguments": {"size": [4, 3]}}])
def test_a_json_file_and_a_toml_take_layers_in_one_form(tmp_path: Path, entry: dict[str, Any]) -> None:
    (tmp_path / "n.json").write_text(json.dumps({"layers": [{"layer": "linear", **entry, "activation": "relu"}]}))
    read = network_layers(tmp_path / "n.json", (), 3, "classification")
    assert read == network_layers(None, [{"layer": "linear", **entry, "activation": "relu"}], 3, "classification")
    assert dict(read[0].arguments) == {"size": (4, 3)}


def test_an_argument_in_both_places_is_refused() -> None:
    with pytest.raises(SpecError, match="layer 1: size is given twice"):
        network_layers(None, [{"layer": "linear", "size": 3, "arguments": {"size": 4}}], 3, "classification")
