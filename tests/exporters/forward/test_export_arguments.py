"""Examples of any nesting become named inputs; results of any nesting become named outputs."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import runtime
from exporters import export
from exporters.forward.arguments import read_example
from exporters.forward.results import named_results
from exporters.settings import make_settings
from exporters.subject.assembly import make_subject
from exporters.subject.subject import Subject
from runtime.card import ArrayInput
from runtime.errors import InputError, SpecError, ToolkitError

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
MASK = X > 0


def subject_of(module: torch.nn.Module, example: Any, **options: Any) -> Subject:
    return make_subject(module, example=example, settings=make_settings(options))


@dataclasses.dataclass
class Batch:
    x: torch.Tensor
    mask: torch.Tensor
    scale: float = 1.0


Pair = namedtuple("Pair", "first second")


class One(torch.nn.Module):
    def forward(self, batch: Any) -> Any:
        x, mask = (batch["x"], batch["mask"]) if isinstance(batch, dict) else batch[:2]
        return x.masked_fill(mask, 0.0)


class OfDataclass(torch.nn.Module):
    def forward(self, batch: Batch) -> Pair:
        return Pair(batch.x * batch.scale, ~batch.mask)


class Several(torch.nn.Module):
    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None, *, scale: float = 1.0) -> dict[str, Any]:
        kept = x if mask is None else x.masked_fill(mask, 0.0)
        return {"kept": kept * scale, "none": None, "pair": (x + 1, [x + 2])}


class Any_(torch.nn.Module):
    def forward(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        return [tensor + 1 for tensor in tensors]


@pytest.mark.parametrize(
    ("module", "example", "names"),
    [
        (torch.nn.ReLU(), X, ["input"]),
        (torch.nn.ReLU(), (X,), ["input"]),
        (torch.nn.ReLU(), {"input": X}, ["input"]),
        (Several(), {"x": X}, ["x"]),
        (Several(), (X, MASK), ["x", "mask"]),
        (Several(), {"mask": MASK, "x": X, "scale": 2.0}, ["mask", "x"]),
        (Several(), ((X,), {"mask": MASK}), ["x", "mask"]),
        (Any_(), (X, X, X), ["input", "input2", "input3"]),
        (One(), {"x": X, "mask": MASK}, ["batch.x", "batch.mask"]),
        (One(), ([X, MASK],), ["batch.0", "batch.1"]),
        (One(), (Pair(X, MASK),), ["batch.0", "batch.1"]),
        (OfDataclass(), Batch(X, MASK, 2.0), ["batch.x", "batch.mask"]),
        (OfDataclass(), (Batch(X, MASK, 2.0),), ["batch.x", "batch.mask"]),
    ],
)
def test_every_tensor_of_an_example_is_a_named_input(module: torch.nn.Module, example: Any, names: list[str]) -> None:
    arguments, tensors = read_example(module, example)
    assert list(arguments.names) == names
    again, _ = read_example(module, example)
    assert again == arguments
    doubled = tuple(tensor + 1 if tensor.is_floating_point() else ~tensor for tensor in tensors)
    assert (
        named_results(arguments.call(module, doubled)).keys() == named_results(arguments.call(module, tensors)).keys()
    )


@pytest.mark.parametrize(
    ("module", "example"),
    [
        (Several(), {"x": X, "mask": MASK, "scale": 2.5}),
        (One(), {"x": X, "mask": MASK}),
        (OfDataclass(), Batch(X, MASK)),
    ],
)
def test_a_nested_example_makes_a_file_that_says_the_same(
    module: torch.nn.Module, example: Any, tmp_path: Path
) -> None:
    report = export(module, tmp_path / "a.onnx", example=example, simplifier="none")
    feeds = {name: tensor.numpy() for name, tensor in zip(*read_names(module, example), strict=True)}
    found = runtime.load(report.path).run(feeds)
    arguments, tensors = read_example(module, example)
    expected = named_results(arguments.call(module, tensors))
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value.numpy(), atol=1e-6)


def read_names(module: torch.nn.Module, example: Any) -> tuple[tuple[str, ...], tuple[torch.Tensor, ...]]:
    arguments, tensors = read_example(module, example)
    return arguments.names, tensors


def test_what_is_no_tensor_is_fixed_and_said() -> None:
    subject = subject_of(Several(), {"x": X, "scale": 2.5})
    assert subject.notes == ("scale=2.5 is fixed in the file",)
    assert subject.output_names == ["kept", "pair.0", "pair.1.0"]
    assert torch.equal(subject.module(X)[0], X * 2.5)


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ({"a": 1}, "The example is a dict; a tensor or a tuple of tensors"),
        (np.ones((2, 4)), "The example's input is a ndarray; tensors"),
        ((X, np.ones(3)), "is a ndarray; tensors, and numbers or texts that stay the same"),
        (X.to_sparse(), "is a sparse, quantised or nested tensor"),
        (X.to(torch.complex64), "is a complex tensor"),
        (X.to("meta"), "lies on meta; exporting runs on the CPU"),
        (torch.tensor(2.0), "is a tensor of shape ()"),
    ],
)
def test_what_cannot_be_an_input_is_refused(example: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        subject_of(torch.nn.ReLU(), example)
    assert words in str(caught.value)


class State(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(4, 5, batch_first=True)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        return self.lstm(x, (h, c))


def test_a_batch_that_is_another_axis_is_named(tmp_path: Path) -> None:
    example = (torch.randn(3, 7, 4), torch.randn(1, 3, 5), torch.randn(1, 3, 5))
    with pytest.raises(InputError, match=r"different batch sizes: \[3, 1, 1\]. Say in Python which axis is the batch"):
        subject_of(State(), example)
    dynamic = {"x": {0: "batch", 1: "length"}, "h": {1: "batch"}, "c": {1: "batch"}}
    module = State().eval()
    report = export(module, tmp_path / "a.onnx", example=example, dynamic=dynamic, simplifier="none")
    assert report.card.outputs[0].name == "output1"
    other = (torch.randn(2, 9, 4), torch.randn(1, 2, 5), torch.randn(1, 2, 5))
    found = runtime.load(report.path).run({name: t.numpy() for name, t in zip(("x", "h", "c"), other, strict=True)})
    with torch.no_grad():
        expected = module(*other)
    np.testing.assert_allclose(found["output3"], expected[1][1].numpy(), atol=1e-6)


def test_results_keep_their_names() -> None:
    nested = {"a": X, "b": (X, {"c": X}), "d": None}
    assert list(named_results(nested)) == ["a", "b.0", "b.1.c"]
    assert list(named_results((X, (X, X)))) == ["output1", "output2", "output3"]
    assert list(named_results(({"a": X}, X))) == ["output1.a", "output2"]
    assert list(named_results(Pair(X, None))) == ["first"]
    assert list(named_results(Batch(X, MASK))) == ["x", "mask", "scale"]
    assert list(named_results([X])) == ["output"]
    assert list(named_results({"a.b": X, "a": {"b": X}})) == ["a.b", "a.b_2"]


class Mixed(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        return {"sum": x.sum(1), "count": 3, "twice": x * 2}


def test_outputs_are_chosen_by_name_or_renamed() -> None:
    with pytest.raises(
        SpecError, match=r"output 'count' is a int, and a file's outputs are tensors.*--outputs sum,twice"
    ):
        subject_of(Mixed(), X)
    chosen = subject_of(Mixed(), X, outputs=("twice", "sum"))
    assert [tuple(tensor.shape) for tensor in chosen.module(X)] == [(3, 4), (3,)]
    with pytest.raises(
        SpecError, match=r"2 output names were given; the module returns 3 tensors \(sum, count, twice\)"
    ):
        subject_of(Mixed(), X, outputs=("a", "b"))
    renamed = subject_of(Any_(), (X, MASK.float()), outputs=("first", "second"))
    assert renamed.output_names == ["first", "second"]
    for wrong, words in (((), "An empty list of outputs"), (("sum", "sum"), "asked for twice")):
        with pytest.raises(SpecError, match=words):
            subject_of(Mixed(), X, outputs=wrong)


def test_the_cards_given_name_the_inputs() -> None:
    cards = (ArrayInput("left", (4,)), ArrayInput("right", (4,), "bool"))
    subject = subject_of(Several(), (X, MASK), inputs=cards)
    assert subject.input_names == ["left", "right"]
    fresh = make_subject(Several(), settings=make_settings({"inputs": cards}))
    assert [sample.dtype for sample in fresh.samples] == [torch.float32, torch.bool]
    assert "verified on random inputs" in fresh.notes[0]
    with pytest.raises(ToolkitError, match="2 example inputs were given, but 1 are described"):
        subject_of(Several(), (X, MASK), inputs=cards[:1])
