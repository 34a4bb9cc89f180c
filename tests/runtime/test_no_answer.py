"""A network that answers NaN or infinity: the row is a failure with its reason, whatever the task, and the others are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import runtime
from cli import main
from runtime.card import ArrayInput, ImageInput, ModelCard, OutputCard, TableInput
from runtime.errors import OutputError
from runtime.results import Failure, find_decoder

FILE = Callable[..., Path]
# One row of each: an answer, NaN, infinity.
ROWS = np.array([[1.0, 2.0], [-1.0, 2.0], [0.0, 2.0]], np.float32)
TASKS = {
    "classification": ("probabilities", ["N", 2]),
    "multilabel": ("probabilities", ["N", 2]),
    "regression": ("values", ["N", 2]),
    "embedding": ("embedding", ["N", 2]),
    "raw": ("values", ["N", 2]),
    "dense": ("probabilities", ["N", 1, 2]),
}


def broken(onnx_file: FILE, task: str) -> Path:
    """A file that answers 1 / sqrt(x): NaN below 0, and infinity at 0."""
    role, shape = TASKS[task]
    card = ModelCard(task, (TableInput("x", ("a", "b")),), (OutputCard("y", role), OutputCard("e", "embedding")))
    nodes: list[Any] = [("Sqrt", ["x"], ["s"], {}), ("Reciprocal", ["s"], ["e"], {})]
    nodes.append(("Unsqueeze", ["e", "one"], ["y"], {}) if task == "dense" else ("Identity", ["e"], ["y"], {}))
    outputs = [("y", 1, shape), ("e", 1, ["N", 2])]
    return onnx_file(nodes, [("x", 1, ["N", 2])], outputs, card, one=np.array([1], np.int64))


@pytest.mark.parametrize("task", list(TASKS))
def test_every_task_keeps_the_good_rows_and_tells_why_the_others_fail(
    onnx_file: FILE, task: str, tmp_path: Path
) -> None:
    path = broken(onnx_file, task)
    model = runtime.load(path, "cpu")
    good, nan, infinite = model.predict(ROWS, on_error="keep")
    assert not isinstance(good, Failure)
    assert isinstance(nan, Failure) and isinstance(nan.error, OutputError)
    output = model.card and find_decoder(task).outputs(model.card)[0]
    assert f"gives no answer to row 2: NaN in 1 of the 2 numbers of {output!r}" in str(nan.error)
    assert "row 3: infinity in 1 of the 2 numbers" in str(infinite.error)
    with pytest.raises(OutputError, match="row 2: NaN"):
        model.predict(ROWS)
    assert [type(found) for found in model.predict(np.tile(ROWS, (3000, 1)), on_error="keep")[-3:]] == [
        type(good),
        Failure,
        Failure,
    ]
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n-1,2\n0,2\n1,2\n", encoding="utf-8")
    for option in ("--json", "--csv", "--top=2"):
        said = CliRunner().invoke(main, ["predict", str(path), str(table), option])
        assert said.exit_code == 2 and (option == "--json" or "nan" not in said.stdout)
        assert said.stderr.startswith("Error: 2 of 4 inputs got no answer:\n")
        if option == "--json":
            facts = json.loads(said.stdout, parse_constant=pytest.fail)
            assert len(facts["predictions"]) == len(facts["failures"]) == 2


def test_logits_may_be_infinitely_small_where_probabilities_are_finite() -> None:
    low = -np.inf
    card = ModelCard("classification", (), (OutputCard("y", "logits"),))
    values = np.array([[1, low], [low, low], [np.inf, 1], [np.nan, 1], [1, 2]], np.float32)
    assert set(find_decoder("classification").unanswered({"y": values}, card)) == {1, 2, 3}
    assert set(find_decoder("multilabel").unanswered({"y": values}, card)) == {3}
    assert set(find_decoder("dense").unanswered({"y": values[:, None]}, card)) == {1, 2, 3}
    assert find_decoder("dense").unanswered({"y": np.array([[1, 2]])}, card) == {}


def test_embeddings_that_are_none_are_failures_of_their_own(onnx_file: FILE) -> None:
    model = runtime.load(broken(onnx_file, "embedding"), "cpu")
    with pytest.raises(OutputError, match=r"row 2: NaN in 1 of the 2 numbers of 'y'"):
        model.embed(ROWS)
    ((sources, failures, values),) = model.embed_stream(ROWS)
    assert len(sources) == 3 and set(failures) == {1, 2}
    np.testing.assert_allclose(values, [[1.0, 0.5**0.5]], rtol=1e-6)
    card = ModelCard("embedding", (ArrayInput("x", (1,), "float64"),), (OutputCard("y", "embedding"),))
    wide = onnx_file([("Identity", ["x"], ["y"], {})], [("x", 11, ["N", 1])], [("y", 11, ["N", 1])], card)
    with pytest.raises(OutputError, match="infinity in 1 of the 1 numbers"):
        runtime.load(wide, "cpu").embed(np.array([[1e300]]))


@pytest.fixture
def pictures(onnx_file: FILE, tmp_path: Path) -> tuple[Path, Path]:
    """A file that embeds and classifies pictures, with NaN for black ones; and a folder with three pictures, one of them black."""
    card = ModelCard(
        "classification",
        (ImageInput("x", "grayscale", (1, 2)),),
        (OutputCard("y", "probabilities"), OutputCard("e", "embedding")),
    )
    nodes = [("Div", ["x", "x"], ["n"], {}), ("Mul", ["n", "x"], ["z"], {}), ("Flatten", ["z"], ["y"], {})]
    path = onnx_file(
        [*nodes, ("Identity", ["y"], ["e"], {})],
        [("x", 1, ["N", 1, 1, 2])],
        [("y", 1, ["N", 2]), ("e", 1, ["N", 2])],
        card,
    )
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, grey in (("a", (9, 200)), ("b", (0, 0)), ("c", (90, 20))):
        Image.fromarray(np.array([grey], np.uint8)).save(folder / f"{name}.png")
    return path, folder


def test_pictures_commands_tell_of_the_one_without_an_answer(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = map(str, pictures)

    def said(*arguments: str) -> tuple[Any, str]:
        found = CliRunner().invoke(main, [*arguments, "--json"])
        assert found.exit_code == 2, found.output
        return json.loads(found.stdout, parse_constant=pytest.fail) if found.stdout else None, found.stderr

    facts, words = said("predict", path, folder, "--picture", str(tmp_path / "p.png"))
    assert [entry["label"] for entry in facts["predictions"]] == ["1", "0"] and "b.png" in words
    facts, words = said("embed", path, folder, "-o", str(tmp_path / "index"))
    assert (facts["added"], facts["total"], len(facts["failures"])) == (2, 2, 1) and "b.png" in words
    names = [f"{folder}/{name}.png" for name in "abc"]
    facts, words = said("search", str(tmp_path / "index"), *names, "-k", "1")
    assert [entry["neighbours"][0]["id"] for entry in facts] == [names[0], names[2]] and "b.png" in words
    facts, words = said("similarity", names[0], names[1], "--model", path)
    assert facts is None and "b.png" in words
