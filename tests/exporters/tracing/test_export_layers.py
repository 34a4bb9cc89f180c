"""Every layer and activation of the builder goes through the whole export, which verifies it at batches of 1, 2 and 5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from exporters import Report, export
from runtime.session import Session
from toolkit.builder.activations import ACTIVATIONS
from toolkit.builder.layer_examples import ACTIVATION_EXAMPLES, EXAMPLES, VISION_EXAMPLES, LayerExample
from toolkit.builder.layers import LAYERS
from toolkit.builder.network import Network
from toolkit.builder.spec import LayerSpec, NetworkSpec, build

# One of each family of torchvision's, the smallest: they take many seconds each. ResNeXt and WideResNet are ResNet with other
# widths, and MobileNetV2 is among the layers above.
VISION = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "swin_v2_t",
    "vgg11_bn",
    "vit_b_32",
)


def lived_in(network: Network, inputs: torch.Tensor) -> Network:
    """Biases that are not zero, and normalisation that has seen something: nothing may cancel out."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
        network.train()
        for _ in range(2):
            network(inputs)
    return network.eval()


def exported(spec: NetworkSpec, inputs: torch.Tensor, path: Path, **options: Any) -> Report:
    torch.manual_seed(0)
    report = export(lived_in(build(spec), inputs), path, example=inputs, **options)
    assert report.parity.batch_sizes == (1, 2, 5)
    session = Session(path, "cpu")
    assert session.fixed_batch is None
    rows = session.run({session.inputs[0].name: inputs[:3].numpy()})
    assert all(len(array) == 3 for array in rows.values())
    return report


def layer_case(name: str, example: LayerExample) -> tuple[NetworkSpec, torch.Tensor]:
    return example.spec(name), example.inputs(7, torch.Generator().manual_seed(1))


# These take more than a few seconds.
SLOW = ("diffusion_model", "mobilenet", "mobilenet_backbone")
LAYER_NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in EXAMPLES]


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_every_layer(name: str, tmp_path: Path) -> None:
    exported(*layer_case(name, EXAMPLES[name]), tmp_path / "a.onnx", simplifier="none")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        name
        if name in ("resnet18", "mobilenet_v2", "squeezenet1_1")
        else pytest.param(name, marks=pytest.mark.exhaustive)
        for name in VISION
    ],
)
def test_one_network_of_each_family_of_torchvision(name: str, tmp_path: Path) -> None:
    exported(*layer_case(name, VISION_EXAMPLES[name]), tmp_path / "a.onnx", simplifier="none")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["conv2d", "maxunpool2d", "gru", "transformer_encoder", "res_block", "adaptive_avgpool3d"]
)
def test_layers_simplified(name: str, tmp_path: Path) -> None:
    report = exported(*layer_case(name, EXAMPLES[name]), tmp_path / "a.onnx")
    assert "changed" not in report.stages[1].note


@pytest.mark.parametrize("name", ACTIVATION_EXAMPLES)
def test_every_activation_also_far_from_zero(name: str, tmp_path: Path) -> None:
    example = ACTIVATION_EXAMPLES[name]
    spec = NetworkSpec(example.input_shape, (LayerSpec.parse(None, example.options, name, 1),))
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(7, *example.input_shape, generator=generator) * torch.logspace(-3, 3, 7).reshape(
        -1, *(1 for _ in example.input_shape)
    )
    exported(spec, inputs, tmp_path / "a.onnx", simplifier="none")


def family(name: str) -> str:
    """'vgg13_bn' -> 'vgg', 'swin_v2_s' -> 'swin', 'resnext101_32x8d' -> 'resnext'."""
    return name.partition("_")[0].rstrip("0123456789")


def test_no_layer_and_no_activation_is_left_out() -> None:
    assert {*EXAMPLES, *VISION_EXAMPLES} == {*LAYERS}
    assert {*ACTIVATION_EXAMPLES} == {*ACTIVATIONS}
    families = {"resnext", "wide", *map(family, VISION)}
    assert [name for name in VISION_EXAMPLES if family(name) not in families] == []
