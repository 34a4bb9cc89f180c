"""Blocks and whole networks by name: what they are filled in with, and what they refuse."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import pytest
import torch

from model_zoo import VISION_NETWORKS
from runtime.errors import SpecError
from toolkit.builder.layers import LAYERS
from toolkit.builder.layers.vision import TORCHVISION_NAMES
from toolkit.builder.spec import LayerSpec, NetworkSpec, build, check


def spec(shape: tuple[int, ...], *layers: tuple[str, dict[str, Any]], **rest: Any) -> NetworkSpec:
    entries = (LayerSpec.parse(name, arguments, None, place) for place, (name, arguments) in enumerate(layers, start=1))
    return NetworkSpec(shape, tuple(entries), **rest)


@pytest.mark.parametrize(
    ("shape", "name", "arguments", "expected"),
    [
        ((4, 9, 8), "Res_Block", {"size": (4, 6), "num_blocks": 2, "stride": 2}, (6, 5, 4)),
        ((4, 9, 8), "res_block", {"size": 4}, (4, 9, 8)),
        ((4, 9, 8), "Res_Bottleneck", {"size": (4, 6), "num_blocks": 2, "stride": 2}, (24, 5, 4)),
        ((4, 9, 8), "inception", {"size": 16}, (16, 9, 8)),
        (
            (4, 9, 8),
            "inception",
            {"size": 14, "branch1x1": 2, "branch3x3": [1, 3], "branch5x5": [2, 4], "branch_pool": 5},
            (14, 9, 8),
        ),
        ((1, 33, 50), "unet", {"size": 3, "depth": 2, "width": 4}, (3, 33, 50)),
        ((3, 40, 33), "mobilenet", {}, (7,)),
        ((1, 40, 33), "mobilenet_backbone", {}, (1280,)),
        ((2, 8, 8), "diffusion_model", {"timestep": 5, "dim": 8}, (2, 8, 8)),
        ((1, 64, 64), "resnet18", {}, (7,)),
        ((3, 64, 64), "ResNet34", {"num_classes": 2}, (2,)),
        ((4, 64, 64), "squeezenet1_1", {"in_channels": 4}, (7,)),
        ((3, 64, 64), "regnet_y_400mf", {}, (7,)),
    ],
)
def test_shapes_are_inferred_and_json_keeps_the_network(
    shape: tuple[int, ...], name: str, arguments: dict[str, Any], expected: tuple[int, ...]
) -> None:
    full, shapes = check(spec(shape, (name, arguments), num_classes=7))
    assert shapes == [expected]
    torch.manual_seed(0)
    network = build(full).eval()
    torch.manual_seed(0)
    again = build(NetworkSpec.from_dict(json.loads(json.dumps(full.to_dict())))).eval()
    x = torch.rand(2, *shape)
    with torch.no_grad():
        result = network(x)
        assert result.shape == (2, *expected)
        assert torch.equal(again(x), result)
        assert torch.equal(copy.deepcopy(network)(x), result)
    assert list(again.state_dict()) == list(network.state_dict())


@pytest.mark.parametrize(
    ("shape", "name", "arguments", "words"),
    [
        ((4, 9, 8), "res_block", {"size": (3, 6)}, "size=(3, 6) expects 3 input channels, but it receives 4"),
        ((4, 9), "res_block", {"size": 6}, "(N, channels, height, width) is expected"),
        ((4, 9, 8), "inception", {"size": 12}, "12 filters do not divide into the four branches"),
        ((4, 9, 8), "inception", {}, "the argument size is missing"),
        ((4, 9, 8), "inception", {"size": 8, "branch1x1": 2}, "Give all four, or none"),
        (
            (4, 9, 8),
            "inception",
            {"size": (4, 9), "branch1x1": 2, "branch3x3": (1, 3), "branch5x5": (2, 4), "branch_pool": 5},
            "the branches have 14 filters together",
        ),
        ((1, 8, 9), "diffusion_model", {}, "square pictures are expected; they are 8 x 9"),
        (
            (1, 8, 8),
            "diffusion_model",
            {"img_size": 28},
            "img_size=28 was given, and square pictures are expected; they are",
        ),
        ((1, 8, 8), "diffusion_model", {"schedule": "sine"}, "'linear' or 'cosine' is expected"),
        ((1, 64, 64), "resnet18", {"in_channels": 3}, "in_channels=3 was given, but the pictures have 1 channels"),
        ((3, 64, 64), "resnet18", {"weights": "V9"}, "resnet18 has no weights 'V9'"),
        ((3, 64, 64), "mobilenet_backbone", {"weights": "V9"}, "mobilenet_v2 has no weights 'V9'"),
        ((3, 50, 64), "vit_b_16", {}, "square pictures whose side is a multiple of 16; 50 x 64 was given"),
        ((3, 20, 20), "alexnet", {}, "layer 1 'alexnet'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    shape: tuple[int, ...], name: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        check(spec(shape, (name, arguments), num_classes=7))
    assert words in str(caught.value)


def test_every_network_of_torchvision_is_a_layer_that_names_its_weights() -> None:
    assert set(VISION_NETWORKS) <= set(LAYERS)
    assert set(TORCHVISION_NAMES) == {*VISION_NETWORKS, "mobilenet", "mobilenet_backbone"}
    for name in TORCHVISION_NAMES:
        assert "weights" in LAYERS[name].parameters
    full, _ = check(spec((3, 32, 32), ("resnet18", {"weights": "DEFAULT"}), num_classes=2))
    assert full.layers[0].arguments["weights"] == "DEFAULT"


def test_names_that_differ_by_an_underscore_stay_apart() -> None:
    parse = LayerSpec.parse
    assert parse("RegNet_X_16GF", {}, None, 1).layer == "regnet_x_16gf"
    assert parse("regnet_x_1_6gf", {}, None, 1).layer == "regnet_x_1_6gf"
    assert parse("ResNet_18", {}, None, 1).layer == "resnet18"
    with pytest.raises(SpecError, match="Did you mean"):
        parse("regnetx16gf", {}, None, 1)


def test_importing_the_layers_does_not_import_torchvision() -> None:
    program = "import sys, toolkit.builder.layers; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_diffusion_model_learns_without_targets_behind_other_layers() -> None:
    torch.manual_seed(0)
    network = build(spec((2, 8, 8), ("identity", {}), ("diffusion_model", {"timestep": 5, "dim": 8})))
    assert network.has_own_loss
    loss = network.training_loss(torch.rand(4, 2, 8, 8))
    assert loss.shape == ()
    loss.backward()
    assert all(weight.grad is not None for weight in network.parameters())
    assert network[1].sample(3).shape == (3, 2, 8, 8)  # type: ignore[operator]


def test_the_residual_chain_is_torchvisions_resnet18() -> None:
    """Convolution, normalisation, pooling, four stages, average, linear: the same weights give the same output."""
    import torchvision

    layers: list[tuple[str, dict[str, Any]]] = [
        ("conv2d", {"size": (3, 64), "kernel_size": 7, "stride": 2, "padding": 3, "bias": False}),
        ("batchnorm2d", {"size": 64}),
        ("maxpool", {"kernel_size": 3, "stride": 2, "padding": 1}),
        *(
            ("res_block", {"size": size, "num_blocks": 2, "stride": 2 if size[0] != size[1] else 1})
            for size in ((64, 64), (64, 128), (128, 256), (256, 512))
        ),
        ("avgpool", {"kernel_size": 2}),
        ("linear", {"size": (512, 10)}),
    ]
    described = spec((3, 64, 64), *layers)
    entries = list(described.layers)
    entries[1] = LayerSpec.parse("batchnorm2d", {"size": 64}, "relu", 2)
    network = build(NetworkSpec((3, 64, 64), tuple(entries))).eval()
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(weights=None, num_classes=10).eval()
    network.load_state_dict(dict(zip(network.state_dict(), theirs.state_dict().values(), strict=True)))
    x = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(network(x), theirs(x), rtol=1e-5, atol=1e-5)
