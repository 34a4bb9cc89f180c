"""Texts in, and each task's own outputs: exported, verified, and run by the runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import runtime
from exporters import export
from exporters.settings import make_settings
from exporters.subject.assembly import make_subject
from runtime.errors import SpecError
from runtime.results import Dense, Embedding, Multilabel
from toolkit.builder.network import Network
from toolkit.data.readers.text import load_texts

TEXTS = ["Nakamura", "O'Neill", "Müller"]
DATA = load_texts(TEXTS, ["ja", "en", "de"])
TOKENS = DATA.inputs.take(torch.arange(3))


class Mean(torch.nn.Module):
    """(N, L, C) -> (N, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1)


def network(width: int, *end: torch.nn.Module, mean: bool = True) -> Network:
    torch.manual_seed(0)
    assert DATA.vocabulary is not None
    middle = [Mean()] if mean else []
    embedding = torch.nn.Embedding(DATA.vocabulary, 8, padding_idx=0)
    return Network(embedding, *middle, torch.nn.Linear(8, width), *end).eval()


def exported(module: torch.nn.Module, path: Path, task: str, **options: Any) -> Any:
    labels = () if task == "embedding" else options.pop("labels", DATA.labels)
    export(module, path, example=TOKENS, task=task, labels=labels, inputs=[DATA.card], simplifier="none", **options)
    return runtime.load(path, "cpu")


def test_a_classifier_of_texts_says_in_the_file_what_it_said_in_torch(tmp_path: Path) -> None:
    module = network(3)
    model = exported(module, tmp_path / "m.onnx", "classification")
    expected = module(TOKENS).softmax(1).detach().numpy()
    np.testing.assert_allclose([entry.probabilities for entry in model.predict(TEXTS)], expected, atol=1e-6)
    assert model.embed(TEXTS).shape == (3, 8)


@pytest.mark.parametrize("ends", [(), (torch.nn.Sigmoid(),)])
def test_several_labels_get_one_sigmoid_however_the_network_ends(ends: tuple[Any, ...], tmp_path: Path) -> None:
    module = network(3, *ends)
    model = exported(module, tmp_path / "m.onnx", "multilabel", outputs=["probabilities", "logits"])
    logits = module.logits(TOKENS).detach()
    for result, row in zip(model.predict(TEXTS), logits.sigmoid().numpy(), strict=True):
        assert isinstance(result, Multilabel)
        np.testing.assert_allclose(result.probabilities, row, atol=1e-6)
    np.testing.assert_allclose(model.run({"input": TOKENS.numpy()}, ["logits"])["logits"], logits, atol=1e-6)


class Squeezed(torch.nn.Module):
    """Ends in a sigmoid, and in what puts its result into another shape."""

    def __init__(self, body: torch.nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.body(x)[:, None]).squeeze(1)


def test_the_sigmoid_of_a_module_of_ones_own_is_not_applied_again(tmp_path: Path) -> None:
    module = Squeezed(network(3)).eval()
    model = exported(module, tmp_path / "m.onnx", "multilabel")
    np.testing.assert_allclose(
        [entry.probabilities for entry in model.predict(TEXTS)], module(TOKENS).detach().numpy(), atol=1e-6
    )
    with pytest.raises(SpecError, match=r"returns probabilities. .* without its sigmoid"):
        make_subject(module, example=TOKENS, settings=make_settings({"task": "multilabel", "outputs": ("logits",)}))


def test_a_log_softmax_is_undone(tmp_path: Path) -> None:
    module = network(3, torch.nn.LogSoftmax(1))
    model = exported(module, tmp_path / "m.onnx", "classification", outputs=["probabilities"])
    expected = module(TOKENS).exp().detach().numpy()
    np.testing.assert_allclose([entry.probabilities for entry in model.predict(TEXTS)], expected, atol=1e-6)


class SumsToOne(torch.nn.Module):
    """(N, K) -> rows that add up to 1, with negative numbers in them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(1, keepdim=True) + 1 / x.shape[1]


@pytest.mark.parametrize("last", [torch.nn.ReLU(), SumsToOne()], ids=["not negative", "sums to 1"])
def test_numbers_that_are_half_like_probabilities_are_none(last: torch.nn.Module, tmp_path: Path) -> None:
    module = torch.nn.Sequential(network(3), last).eval()
    model = exported(module, tmp_path / "m.onnx", "classification", outputs=["probabilities"])
    expected = module(TOKENS).softmax(1).detach().numpy()
    np.testing.assert_allclose([entry.probabilities for entry in model.predict(TEXTS)], expected, atol=1e-6)


def test_an_embedding_is_the_networks_whole_output(tmp_path: Path) -> None:
    module = network(5)
    model = exported(module, tmp_path / "m.onnx", "embedding")
    np.testing.assert_allclose(model.embed(TEXTS), module(TOKENS).detach().numpy(), atol=1e-6)
    assert all(isinstance(entry, Embedding) for entry in model.predict(TEXTS))


def test_a_class_at_each_token(tmp_path: Path) -> None:
    module = network(4, mean=False)
    model = exported(module, tmp_path / "m.onnx", "dense", labels=["a", "b", "c", "d"])
    for result, row in zip(model.predict(TEXTS), module(TOKENS).argmax(2).numpy(), strict=True):
        assert isinstance(result, Dense)
        np.testing.assert_array_equal(result.classes, row)


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("dense", {}, "For dense one output of shape (N, L, K) or (N, K, H, W) is expected"),
        ("embedding", {"outputs": ["probabilities"]}, "There is no output 'probabilities' for embedding"),
        ("multilabel", {"outputs": ["values"]}, "There is no output 'values' for multilabel"),
        ("multilable", {}, "Did you mean 'multilabel'?"),
    ],
)
def test_what_a_task_does_not_have_is_refused(task: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_subject(network(3), example=TOKENS, settings=make_settings({"task": task, **options}))
    assert words in str(caught.value)
