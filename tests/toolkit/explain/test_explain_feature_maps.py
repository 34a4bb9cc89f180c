"""What each layer sees, as files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.errors import InputError
from toolkit.builder.network import Network
from toolkit.explain.feature_figures import layer_figure, total_figure
from toolkit.explain.feature_maps import layer_outputs, visual_feature
from toolkit.explain.figures import figure_bytes
from toolkit.explain.layer_output import LayerOutput


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.info["Title"]
        return np.asarray(picture.convert("RGB"))


def drawn(path: Path) -> bool:
    """A sensible size, and more than a blank page."""
    content = pixels(path)
    height, width = content.shape[:2]
    return 150 < height < 4000 and 300 < width < 4000 and len(np.unique(content @ [1, 256, 65536])) > 20


@pytest.mark.slow
def test_lenet_gives_one_picture_a_layer(lenet: Network, digit: torch.Tensor, tmp_path: Path) -> None:
    written = visual_feature(lenet, digit, tmp_path / "new" / "layers")
    assert [path.name for path in written[:4]] == [
        "00-input.png",
        "01-lenet1.conv1.png",
        "02-lenet1.relu1.png",
        "03-lenet1.pool1.png",
    ]
    assert len(written) == 14
    assert sorted(written) == sorted((tmp_path / "new" / "layers").iterdir())
    assert all(drawn(path) for path in written)
    assert lenet.training
    assert not any(module._forward_hooks for module in lenet.modules())


def test_all_layers_in_one_picture(lenet: Network, digit: torch.Tensor, tmp_path: Path) -> None:
    (path,) = visual_feature(lenet, digit, tmp_path, in1img=True)
    assert path == tmp_path / "total.png"
    assert drawn(path)


def test_the_values_are_the_layers_own(lenet: Network, digit: torch.Tensor) -> None:
    layers = layer_outputs(lenet, digit.numpy())
    assert [layer.number for layer in layers] == list(range(14))
    np.testing.assert_array_equal(layers[0].values, digit[0])
    with torch.no_grad():
        np.testing.assert_allclose(layers[1].values, lenet[0].conv1(digit)[0], atol=1e-6)
        np.testing.assert_allclose(layers[-1].values, lenet(digit)[0], atol=1e-6)
    assert layers[1].description.startswith("Conv2d(1, 6, kernel_size=(5, 5)")


def test_a_row_of_a_table_gives_text_too(network: Any, tmp_path: Path) -> None:
    mlp = network((4,), ("linear", {"size": (4, 3)}, "relu"), ("dropout",), ("linear", {"size": (3, 2)}))
    row = torch.tensor([[5.1, 3.5, 1.4, 0.2]])
    written = visual_feature(mlp, row, tmp_path)
    assert [path.name for path in written] == [
        "00-input.png", "01-linear1.png", "02-relu1.png", "03-linear3.png", "layer_data.txt",
    ]  # fmt: skip
    lines = written[-1].read_text(encoding="utf-8").splitlines()
    assert lines[0] == "0 input: as the network receives it -> (N, 4)"
    assert lines[2].startswith("1 linear1: Linear(in_features=4, out_features=3, bias=True) -> (N, 3)")
    with torch.no_grad():
        expected = mlp(row)[0].tolist()
    assert [float(value) for value in lines[-1].strip("[]").split(",")] == pytest.approx(expected)
    assert visual_feature(mlp, row, tmp_path, in1img=True)[-1].name == "layer_data.txt"


def test_the_text_leaves_no_value_out(tmp_path: Path) -> None:
    wide = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(1, 3000))
    text = visual_feature(wide, torch.ones(1, 1), tmp_path)[-1].read_text(encoding="utf-8")
    assert len(text.splitlines()) == 4
    assert text.count(",") > 3000
    assert "..." not in text


def test_tokens_and_sequences_are_heat_maps(network: Any, tmp_path: Path) -> None:
    reader = network(
        (12,), ("embedding", {"size": (9, 6)}), ("lstm", {"size": (6, 5)}), input_dtype="int64", vocabulary=9
    )
    tokens = torch.randint(0, 9, (1, 12))
    written = visual_feature(reader, tokens, tmp_path)
    assert [path.suffix for path in written] == [".png"] * len(written)
    assert all(drawn(path) for path in written)


def test_a_single_layer_is_a_network_too(tmp_path: Path) -> None:
    assert [path.name for path in visual_feature(torch.nn.Linear(2, 2), torch.ones(1, 2), tmp_path)] == [
        "00-input.png",
        "01-network.png",
        "layer_data.txt",
    ]


def test_of_a_deep_network_blocks_are_shown() -> None:
    from torchvision.models import mobilenet_v2

    names = [layer.name for layer in layer_outputs(mobilenet_v2(num_classes=3), torch.rand(1, 3, 32, 32))]
    assert len(names) < 40
    assert {"features.0.0", "features.3", "features.17", "classifier.1"} <= set(names)
    assert "features.3.conv" not in names


def test_names_of_layers_make_safe_file_names(tmp_path: Path) -> None:
    odd = torch.nn.Sequential()
    odd.add_module("$a/b: 猫", torch.nn.Linear(2, 2))
    odd.add_module("//up", torch.nn.ReLU())
    written = visual_feature(odd, torch.ones(1, 2), tmp_path)
    assert all(path.parent == tmp_path and path.is_file() for path in written)
    assert [path.name for path in written][1:3] == ["01-_a_b_猫.png", "02-_up.png"]


@pytest.mark.parametrize("inputs", [torch.ones(2, 1, 28, 28), torch.ones(28), torch.ones(0, 1, 28, 28)])
def test_one_input_is_expected(lenet: Network, inputs: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected"):
        visual_feature(lenet, inputs, tmp_path)
    assert not list(tmp_path.iterdir())


shapes = st.lists(st.integers(1, 9), max_size=4) | st.sampled_from(
    [[1, 300], [400, 1], [200, 3, 50], [3, 1, 90], [2000], [70, 1, 1]]
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True)
@given(shape=shapes, fill=st.sampled_from(["normal", "whole", "same", "odd"]), labels=st.booleans())
def test_any_output_can_be_drawn(shape: list[int], fill: str, labels: bool) -> None:
    random = np.random.default_rng(0)
    values: np.ndarray = np.asarray(random.normal(size=shape), np.float32)
    if fill == "whole":
        values = random.integers(-3, 9, shape)
    elif fill == "same":
        values = np.full(shape, 1e-9, np.float32)
    elif fill == "odd":
        values = np.where(values > 0, np.nan, np.where(values < -1, np.inf, values)).astype(np.float32)
    layer = LayerOutput(3, "name$" * 9, "Kind", "Kind()", np.asarray(values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = layer_figure(layer) if labels else total_figure([layer, layer])
        assert figure_bytes(figure, title="layer", dpi=40).startswith(b"\x89PNG")
    assert max(figure.get_size_inches()) < 25


def test_the_title_says_how_many_channels_are_shown() -> None:
    layer = LayerOutput(1, "conv", "Conv2d", "Conv2d()", np.zeros((100, 4, 4), np.float32))
    figure = layer_figure(layer, most_channels=32)
    axes = figure.axes[0]
    assert "32 of 100 channels" in axes.get_title(loc="left")
    assert len(axes.images) == 32
    assert [text.get_text() for text in axes.texts] == [str(number) for number in range(32)]
