"""What a file says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime.card import ArrayInput, ImageInput, ModelCard, OutputCard, SequenceInput, TableInput, TextInput
from runtime.errors import ModelFileError
from runtime.session.describe import card_lines, describe_file


def test_a_file_with_a_card_tells_how_it_was_trained_and_verified(digit_model: Path) -> None:
    facts, text = describe_file(digit_model)
    assert json.loads(json.dumps(facts))["card"] == facts["card"]
    assert facts["bytes"] == digit_model.stat().st_size
    assert facts["inputs"][0]["shape"][1:] == (1, 8, 8)
    assert ModelCard.from_dict(facts["card"]).labels == tuple("0123456789")
    assert not any("card" in key for key in facts["metadata"])
    for words in (
        "input    input: float32 (batch, 1, 8, 8)",
        "task     classification",
        "prepare  input: grayscale, resize to 8 x 8 (bilinear), scale to 0..1, NCHW",
        "labels   0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "trained  on 1000 examples",
        "verified against torch on 16 samples at batch sizes 1, 2, 5",
        "made by  onnx-edge-toolkit",
    ):
        assert words in text


def test_a_file_without_a_card_says_what_can_be_done_with_it(plain_model: Path) -> None:
    facts, text = describe_file(plain_model)
    assert facts["card"] is None
    assert "no card: made elsewhere" in text
    assert "output   total: float32 (N)" in text


def test_every_step_of_the_preparation_is_shown() -> None:
    picture = ImageInput(
        "p", "RGB", (6, 6), resize=9, filter="bicubic", crop=(6, 6), scale=2.0, mean=(1,) * 3, layout="NHWC"
    )
    text = TextInput("w", ("<pad>", "?", "a"), 9, "word", 0, 1, True, "NFKC", True)
    tokens = TextInput("c", ("a",), 9, normalization="none")
    sequence = SequenceInput("s", 3, 9, (0.0,) * 3)
    table = TableInput("t", ("a", "b"), (0, 0))
    card = ModelCard("raw", (picture, table, text, tokens, sequence, ArrayInput("x", (3, None), "int64")))
    assert card_lines(card)[1:] == [
        "prepare  p: RGB, shorter side to 9 (bicubic), centre crop 6 x 6, times 2, mean [1, 1, 1], std [], NHWC",
        "prepare  t: columns a, b, scaled column by column",
        "prepare  w: text, by words of a vocabulary of 3, in lower case, without accents, NFKC, cut to 9, filled up with '<pad>', "
        "others become '?'",
        "prepare  c: text, by characters of a vocabulary of 1, cut to 9",
        "prepare  s: sequences of 3 features, scaled feature by feature, cut to 9 steps or filled up with zeros",
        "prepare  x: int64 array (3, 'any'), as it is",
    ]


def test_many_labels_are_counted_instead_of_listed() -> None:
    lines = card_lines(ModelCard("classification", (), (OutputCard("y", "logits"),), tuple(map(str, range(1000)))))
    assert lines[1] == "labels   0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (1000 in all)"


def test_a_training_that_ended_in_nan_can_still_be_described() -> None:
    card = ModelCard("raw", (), training={"measured": {"epoch": 3, "loss": float("nan"), "acc": 0.5}})
    assert "measured loss nan  acc 0.5000" in card_lines(ModelCard.from_json(card.to_json()))


@pytest.mark.parametrize("name", ["missing.onnx", "."])
def test_what_is_no_file_is_a_model_file_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFileError):
        describe_file(tmp_path / name)
