"""Drawings of networks."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.errors import InputError, SpecError
from toolkit.builder.layer_examples import EXAMPLES
from toolkit.builder.network import Network
from toolkit.builder.spec import build
from toolkit.explain.diagram.drawing import draw_network
from toolkit.explain.diagram.flow import Call, trace_flow
from toolkit.explain.diagram.layer_text import arguments_text, family
from toolkit.explain.diagram.layout import lay_out


def texts(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_layer_says_its_name_class_arguments_and_parameters(lenet: Network) -> None:
    words = texts(draw_network(lenet, (1, 28, 28), "svg"))
    for expected in (
        "lenet1.conv2",
        "Conv2d",
        "6 → 16, 5×5",
        "2,416 par.",
        "(N, 16, 10, 10)",
        "softmax1",
        "input",
        "output",
    ):
        assert expected in words
    assert "13 layers, 61,706 parameters, input (N, 1, 28, 28), output (N, 10)" in words
    assert words.count("(N, 10)") == 2  # behind the last linear layer, and behind the softmax


def test_the_png_is_of_a_sensible_size(lenet: Network) -> None:
    with Image.open(io.BytesIO(draw_network(lenet, (1, 28, 28), title="Digits"))) as picture:
        assert picture.format == "PNG"
        assert picture.info["Title"].startswith("Digits: 13 layers")
        width, height = picture.size
        colours = np.unique(np.asarray(picture.convert("RGB")) @ [1, 256, 65536])
    assert 400 < width < 1000
    assert 1000 < height < 2500
    assert len(colours) > 50


def test_the_same_network_gives_the_same_file(lenet: Network) -> None:
    for kind in ("png", "svg"):
        assert draw_network(lenet, (1, 28, 28), kind) == draw_network(lenet, (1, 28, 28), kind)  # type: ignore[arg-type]


def test_depth_opens_blocks(lenet: Network) -> None:
    closed = texts(draw_network(lenet, (1, 28, 28), "svg", depth=1))
    assert "lenet1" in closed
    assert "12 layers inside" in closed
    assert "lenet1.conv1" not in closed


def test_a_deep_network_wraps_into_columns() -> None:
    deep = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(60)))
    with Image.open(io.BytesIO(draw_network(deep, (2,)))) as picture:
        width, height = picture.size
    assert 0.6 < width / height < 1.8
    assert len([word for word in texts(draw_network(deep, (2,), "svg")) if word == "2 → 2"]) == 60


def test_names_are_no_formulas_and_long_ones_are_shortened() -> None:
    odd = torch.nn.Sequential()
    odd.add_module("$x$ < 猫 & \\frac", torch.nn.ReLU())
    odd.add_module("a" * 200, torch.nn.ReLU())
    words = texts(draw_network(odd, (2,), "svg", title="$T$"))
    assert {"$T$", "$x$ < 猫 & \\frac"} <= set(words)
    assert max(map(len, words)) < 80
    assert draw_network(odd, (2,), "png")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["unet", "inception", "res_block", "diffusion_model", "transformer_encoder", "maxunpool2d", "lstm"]
)
def test_networks_of_every_kind_are_drawn(name: str) -> None:
    example = EXAMPLES[name]
    with torch.device("meta"):
        network = build(example.spec(name))
    words = texts(draw_network(network, example.input_shape, "svg", input_dtype=example.dtype))
    assert any(word.startswith("…") or name in word for word in words)


@pytest.mark.parametrize(
    ("module", "shape", "expected", "kind"),
    [
        (torch.nn.Conv2d(2, 4, (3, 5), stride=2, padding=1, groups=2, bias=False), (2, 9, 9),
         "2 → 4, 3×5, stride 2, padding 1, groups 2, no bias", "convolution"),
        (torch.nn.MaxPool2d(3, stride=2, padding=1), (1, 9, 9), "3×3, stride 2, padding 1", "pooling"),
        (torch.nn.AdaptiveAvgPool2d((None, 2)), (1, 9, 9), "to any×2", "pooling"),
        (torch.nn.BatchNorm1d(1), (1,), "1 feature", "normalization"),
        (torch.nn.GroupNorm(2, 4), (4, 3), "4 features in 2 groups", "normalization"),
        (torch.nn.LSTM(3, 5, 2, bidirectional=True, batch_first=True), (4, 3), "3 → 5, 2 layers, both ways", "sequence"),
        (torch.nn.Dropout(0.25), (3,), "p = 0.25", "shape"),
        (torch.nn.LeakyReLU(0.2, inplace=True), (3,), "negative_slope=0.2", "activation"),
        (torch.nn.Flatten(), (3, 2), "start_dim=1, end_dim=-1", "shape"),
    ],
)  # fmt: skip
def test_main_arguments_in_a_few_words(
    module: torch.nn.Module, shape: tuple[int, ...], expected: str, kind: str
) -> None:
    (call,) = trace_flow(torch.nn.Sequential(module), shape).calls
    assert arguments_text(call) == expected
    assert family(call) == kind


def test_functions_have_no_arguments() -> None:
    call = Call("", "add", None)
    assert (arguments_text(call), family(call)) == ("", "function")


def test_what_cannot_be_drawn_says_why(lenet: Network) -> None:
    wrong: Any = "pdf"
    with pytest.raises(SpecError, match="'png' or 'svg'"):
        draw_network(lenet, (1, 28, 28), wrong)
    with pytest.raises(SpecError, match="int64"):
        draw_network(lenet, (1, 28, 28), input_dtype="float33")
    with pytest.raises(InputError, match="cannot take"):
        draw_network(lenet, (5,))


def edges(sources: list[Iterable[int]]) -> list[tuple[int, int]]:
    return [(source, node) for node, before in enumerate(sources) for source in set(before)]


graphs = st.integers(2, 14).flatmap(
    lambda count: st.tuples(*(st.sets(st.integers(0, node - 1), min_size=1, max_size=3) for node in range(1, count)))
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(graph=graphs, rows=st.integers(2, 8))
def test_no_arrow_runs_through_a_box(graph: tuple[set[int], ...], rows: int) -> None:
    sources: list[Iterable[int]] = [set(), *graph]
    layout = lay_out(sources, rows)
    places = list(zip(layout.ranks, layout.lanes, strict=True))
    assert len(set(places)) == len(places)
    assert sorted((route.source, route.target) for route in layout.routes) == sorted(edges(sources))
    for route in layout.routes:
        between = range(layout.ranks[route.source] + 1, layout.ranks[route.target])
        assert layout.ranks[route.target] > layout.ranks[route.source]
        assert (route.lane is None) == (len(between) == 0)
        assert not any((rank, route.lane) in places for rank in between)
    flat = [rank for first, last in layout.columns for rank in range(first, last + 1)]
    assert flat == list(range(max(layout.ranks) + 1))
