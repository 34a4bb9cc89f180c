"""A head of another width: on networks, on descriptions, and on both so that weights fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision

from runtime.errors import SpecError
from toolkit.builder.spec import NetworkSpec, build
from toolkit.training.pretrained.head import change_head, find_heads, spec_with_head

PICTURE = (3, 32, 32)


def spec_of(shape: tuple[int, ...], *layers: Any, **rest: Any) -> NetworkSpec:
    entries = [
        {"layer": layer, "arguments": arguments, "activation": activation} for layer, arguments, activation in layers
    ]
    return NetworkSpec.from_dict({"input_shape": shape, "layers": entries, **rest})


SPECS = {
    "linear": spec_of(PICTURE, ("conv2d", {"size": 4, "kernel_size": 3}, "relu"), ("linear", {"size": 5}, "softmax")),
    "in and out": spec_of((6,), ("linear", {"size": (6, 5)}, None), ("dropout", {"p": 0.1}, None)),
    "convolution": spec_of(
        PICTURE, ("conv2d", {"size": 5, "kernel_size": 1}, "prelu"), ("flatten", {}, None), (None, {}, "softmax")
    ),
    "lenet": spec_of(PICTURE, ("lenet", {"num_classes": 5}, "softmax")),
    "mlp": spec_of(PICTURE, ("mlp", {"out_features": 5}, None)),
    "unet": spec_of(PICTURE, ("unet", {"size": (3, 5), "depth": 2, "width": 4}, None)),
    "squeezenet": spec_of((3, 64, 64), ("squeezenet1_1", {}, "softmax"), num_classes=5),
}


@pytest.mark.parametrize("name", SPECS)
def test_network_and_description_stay_alike(name: str) -> None:
    spec = SPECS[name]
    network = build(spec)
    before = network.state_dict()
    heads = change_head(network, 7)
    changed = spec_with_head(spec, 7)
    rebuilt = build(changed)
    rebuilt.load_state_dict(network.state_dict())
    rows = torch.rand(2, *spec.input_shape)  # type: ignore[misc]
    assert network.eval()(rows).shape[1] in (7, 7 * 32 * 32)
    torch.testing.assert_close(rebuilt.eval()(rows), network(rows))
    for key, value in network.state_dict().items():
        if not key.startswith(tuple(heads)):
            assert torch.equal(value, before[key])
    assert changed.num_classes == (None if spec.num_classes is None else 7)
    assert spec_with_head(changed, 5).to_dict() == spec_with_head(spec, 5).to_dict()


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("resnet18", ["fc"]),
        ("squeezenet1_1", ["classifier.1"]),
        ("mobilenet_v3_small", ["classifier.3"]),
        ("vit_b_32", ["heads.head"]),
        ("googlenet", ["fc", "aux1.fc2", "aux2.fc2"]),
    ],
)
def test_the_heads_of_torchvision(name: str, heads: list[str]) -> None:
    options = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        network = torchvision.models.get_model(name, weights=None, num_classes=9, **options)
    assert find_heads(network) == heads
    assert change_head(network, 4) == heads
    for path in heads:
        assert network.get_submodule(path).weight.shape[0] == 4


def test_the_new_head_keeps_precision_bias_and_mode() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 3, bias=False, dtype=torch.float64)).eval()
    assert change_head(network, 2) == ["0"]
    assert network[0].weight.dtype == torch.float64
    assert network[0].bias is None
    assert not network[0].training
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_parametrised_head_becomes_a_plain_one() -> None:
    network = torch.nn.Sequential(torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 3)))
    assert change_head(network, 2) == ["0"]
    assert network(torch.rand(5, 4)).shape == (5, 2)


@pytest.mark.parametrize(
    ("network", "what"),
    [
        (torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3)), r"ends in BatchNorm1d \(1\)"),
        (torch.nn.Sequential(torch.nn.Conv2d(4, 3, 3)), r"ends in Conv2d \(0\)"),
        (torch.nn.Sequential(torch.nn.ReLU()), "has no weights"),
    ],
)
def test_other_endings_are_refused(network: torch.nn.Module, what: str) -> None:
    with pytest.raises(SpecError, match=what):
        change_head(network, 2)


@pytest.mark.parametrize(
    ("layers", "what"),
    [
        (
            [("linear", {"size": 5}, None), ("batchnorm1d", {}, None)],
            "layer 2 'batchnorm1d' is the last one with weights",
        ),
        ([("flatten", {}, None)], "no layer with weights"),
        ([(None, {}, "relu")], "no layer with weights"),
    ],
)
def test_descriptions_with_other_endings_are_refused(layers: list[Any], what: str) -> None:
    with pytest.raises(SpecError, match=what):
        spec_with_head(spec_of((6,), *layers), 2)


@pytest.mark.parametrize("width", [0, -1, 2.0, "3", True])
def test_the_width_is_a_whole_number(width: Any) -> None:
    with pytest.raises(SpecError, match=r"num_classes=.*whole number"):
        change_head(torch.nn.Linear(2, 2), width)
    with pytest.raises(SpecError, match=r"num_classes=.*whole number"):
        spec_with_head(SPECS["linear"], width)
