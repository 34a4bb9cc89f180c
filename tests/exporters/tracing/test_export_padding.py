"""A sequence or text is answered by the file as it is alone: by `predict`, by plain onnxruntime, in any batch, at any length."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

import runtime
from exporters import check, export
from toolkit import nn

RANDOM = np.random.default_rng(0)
LENGTHS = [5, 9, 12, 5, 7, 10, 8, 12]
SEQUENCES = [RANDOM.normal(size=(length, 4)).astype(np.float32) for length in LENGTHS]
KINDS = [0, 1, 2, 0, 1, 2, 0, 1]

LAYERS: dict[str, list[tuple[Any, dict[str, Any]]]] = {
    "recurrent": [
        ("lstm", {"size": (4, 5), "bidirectional": True, "num_layers": 2}),
        (torch.nn.GRU(10, 6, batch_first=True, bidirectional=True), {}),
        ("rnn", {"size": (12, 6), "bidirectional": True, "last_step": True}),
        ("linear", {"size": 3, "activation": "softmax"}),
    ],
    "windows": [
        ("permute", {"dims": (0, 2, 1)}),
        ("conv1d", {"size": (4, 6), "kernel_size": 3, "padding": 1, "activation": "relu"}),
        ("batchnorm1d", {}),
        ("avgpool1d", {"kernel_size": 2, "ceil_mode": True}),
        ("conv1d", {"size": (6, 6), "kernel_size": 3, "padding": 1, "padding_mode": "replicate"}),
        ("instancenorm1d", {}),
        ("adaptive_maxpool1d", {"output_size": 2}),
        ("linear", {"size": 3}),
    ],
    "pooled attention": [
        ("transformer_encoder", {"num_heads": 2}),
        ("permute", {"dims": (0, 2, 1)}),
        ("global_avgpool", {}),
        ("linear", {"size": 3}),
    ],
}


def made(name: str, to: Path) -> Any:
    model = nn("cls", save_fold=to)
    model.set_seed(0)
    model.load_dataset(SEQUENCES, KINDS, batch_size=4)
    for layer, options in LAYERS[name]:
        model.add(layer, **options)
    model.train(epochs=1, verbose=False, report=None)
    return model


@pytest.mark.parametrize("name", LAYERS)
def test_a_file_answers_each_sequence_as_it_is_alone(name: str, tmp_path: Path) -> None:
    model = made(name, tmp_path)
    model.convert(out_file=tmp_path / "model.onnx", verbose=False)
    file = runtime.load(tmp_path / "model.onnx", "cpu")
    session = ort.InferenceSession(tmp_path / "model.onnx")
    (entry,) = session.get_inputs()
    assert entry.shape[1:] == ["length", 4]
    together = [each.probabilities for each in file.predict(SEQUENCES)]
    for sequence, found in zip(SEQUENCES, together, strict=True):
        np.testing.assert_allclose(file.predict([sequence])[0].probabilities, found, atol=1e-6)
        (alone, *_) = session.run(["probabilities"], {entry.name: sequence[None]})
        np.testing.assert_allclose(alone[0], found, atol=1e-6)
        network = model.model.eval()
        with torch.no_grad():
            plain = network(torch.from_numpy(sequence[None]))
        expected = plain if network.ends_in else plain.softmax(1)
        np.testing.assert_allclose(expected[0], found, atol=1e-5)
    assert check(tmp_path / "basenn.pth", tmp_path / "model.onnx").passed
    assert "NaN" in file.card.inputs[0].describe()


def test_classes_of_steps_end_with_the_sequence(tmp_path: Path) -> None:
    model = nn("dense", save_fold=tmp_path)
    model.set_seed(0)
    model.load_dataset(SEQUENCES, [(sequence[:, 0] > 0).astype(int) for sequence in SEQUENCES], batch_size=4)
    model.add("gru", size=(4, 6), bidirectional=True)
    model.add("linear", size=2, flatten=False, activation="softmax")
    model.train(epochs=1, verbose=False, report=None)
    export(tmp_path / "basenn.pth", tmp_path / "model.onnx", simplifier="none")
    file = runtime.load(tmp_path / "model.onnx", "cpu")
    for sequence, found in zip(SEQUENCES, file.predict(SEQUENCES), strict=True):
        assert found.classes.shape == found.probability.shape == (len(sequence),)
        assert found.classes.tolist() == file.predict(sequence).classes.tolist()
        assert sum(share for _, share in found.shares()) == pytest.approx(1)


def test_classes_of_tokens_end_with_the_text(tmp_path: Path) -> None:
    texts = ["a small cat", "one big dog here now", "small", "a big cat and dog"] * 3
    model = nn("dense", save_fold=tmp_path)
    model.load_text_data(
        texts, [[len(word) % 2 for word in text.split()] for text in texts], level="word", batch_size=4
    )
    model.add("embedding", size=6)
    model.add("gru", size=5, bidirectional=True)
    model.add("linear", size=2, flatten=False)
    model.train(epochs=1, verbose=False, report=None)
    export(tmp_path / "basenn.pth", tmp_path / "model.onnx", simplifier="none")
    file = runtime.load(tmp_path / "model.onnx", "cpu")
    for text, found in zip(texts, file.predict(texts), strict=True):
        assert found.classes.shape == (len(text.split()),)
        assert found.classes.tolist() == file.predict(text).classes.tolist()


def test_a_text_is_answered_without_its_padding(tmp_path: Path) -> None:
    texts = ["a small cat", "one big dog here now", "small", "a big cat and dog"] * 3
    model = nn("cls", save_fold=tmp_path)
    model.set_seed(0)
    model.load_text_data(texts, [0, 1, 0, 1] * 3, level="word", batch_size=4)
    model.add("embedding", size=6)
    model.add("permute", dims=(0, 2, 1))
    model.add("conv1d", size=8, kernel_size=3, padding=1)
    model.add("global_avgpool")
    model.add("linear", size=2)
    model.train(epochs=1, verbose=False, report=None)
    export(tmp_path / "basenn.pth", tmp_path / "model.onnx", simplifier="none")
    card = model._input_card()
    session = ort.InferenceSession(tmp_path / "model.onnx")
    for text in texts[:4]:
        tokens = np.array([[card.tokens.index(word) for word in text.split()]])
        (alone,) = session.run(["probabilities"], {"input": tokens})
        found = runtime.load(tmp_path / "model.onnx", "cpu").predict([text, texts[1]])[0]
        np.testing.assert_allclose(found.probabilities, alone[0], atol=1e-6)


def test_the_script_of_a_bundle_fills_up_as_the_file_expects(tmp_path: Path) -> None:
    model = nn("cls", save_fold=tmp_path)
    model.set_seed(0)
    model.load_dataset(SEQUENCES, KINDS, batch_size=4)
    model.add("lstm", size=(4, 5), last_step=True)
    model.add("linear", size=3)
    model.train(epochs=1, verbose=False, report=None)
    export(tmp_path / "basenn.pth", tmp_path / "model.onnx", simplifier="none", bundle=tmp_path / "bundle")
    np.save(tmp_path / "one.npy", SEQUENCES[0])
    said = subprocess.run(
        [sys.executable, "run.py", str(tmp_path / "one.npy")], cwd=tmp_path / "bundle", capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    found = runtime.load(tmp_path / "model.onnx", "cpu").predict(SEQUENCES[0])
    assert f"{found.probability:.2%}" in said.stdout
