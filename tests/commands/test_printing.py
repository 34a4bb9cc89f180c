"""What commands print: names and texts of a stranger's file reach no terminal as commands, and --json is JSON in any encoding."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from cli import main
from runtime.card import CARD_KEY, ModelCard, OutputCard, TableInput
from runtime.console import UNSAFE

ROOT = Path(__file__).parents[2]
TOOLKIT = Path(sys.executable).with_name("toolkit")
EVIL = "\x1b[2Jx\nwarning  all is well\x07\x9b31m\u202eb\u2028[red]"


def strictly(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def said(*arguments: object, code: int | None = None) -> str:
    """All that a command says, which holds nothing that a terminal takes for a command, and no forged line."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert code is None or result.exit_code == code, result.output
    text = result.stdout + result.stderr
    assert set(UNSAFE.findall(text)) <= {"\n"}, ascii(text)
    assert not any(line.startswith("warning  all is well") for line in text.splitlines()), text
    return text


def linear_file(path: Path, card: ModelCard | None = None, inside: str = "x", outside: str = "y", **more: str) -> Path:
    """A file of one layer: (N, 2) -> (N, 2)."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", [inside, "w"], [outside])],
        "g",
        [helper.make_tensor_value_info(inside, TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info(outside, TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {**({CARD_KEY: card.to_json()} if card else {}), **more})
    model.producer_name = EVIL
    onnx.save(model, path)
    return path


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    card = ModelCard(
        "classification",
        (TableInput(EVIL, (EVIL, "b")),),
        (OutputCard(EVIL + "o", "logits"),),
        (EVIL, "b"),
        {"examples": EVIL, "data": EVIL, "measured": {EVIL: 0.5}},
        {"samples": EVIL, "batch_sizes": EVIL, "worst": {EVIL: 0.1}},
        {EVIL: EVIL},
    )
    return linear_file(tmp_path / "hostile.onnx", card, EVIL, EVIL + "o")


def test_info_shows_hostile_names_as_escapes(hostile: Path) -> None:
    text = said("info", hostile, code=0)
    assert "\\x1b[2Jx\\nwarning  all is well\\x07\\x9b31m\\u202eb\\u2028[red]" in text
    facts = strictly(said("info", hostile, "--json", code=0))
    assert facts["inputs"][0]["name"] == EVIL and facts["card"]["labels"][0] == EVIL
    said("check", hostile, "--target", "onnxruntime==1.16")
    said("check", hostile, hostile, code=0)
    said("bench", hostile, "--seconds", "0.01", "--batch", "1", code=0)


def test_predictions_show_hostile_labels_as_escapes(hostile: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    quoted = EVIL.replace('"', '""')
    table.write_text(f'"{quoted}",b\n1,2\n3,4\n', encoding="utf-8", newline="")
    said("predict", hostile, table, code=0)
    strictly(said("predict", hostile, table, "--json", code=0))
    result = CliRunner().invoke(main, ["predict", str(hostile), str(table), "--csv"])
    assert set(UNSAFE.findall(result.stdout)) <= {"\n"}
    said("predict", hostile, tmp_path / f"{EVIL}.csv", code=2)  # an error names it
    said("predict", hostile, "--" + EVIL, code=2)  # so does one of click


def test_hostile_file_names_and_texts_are_shown_as_escapes(
    tmp_path: Path, digit_model: Path, digit_files: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    name = folder / (EVIL + ".png")
    name.write_bytes((digit_files / "6" / "0.png").read_bytes())
    (folder / (EVIL + "bad.png")).write_bytes(b"no picture")
    said("predict", digit_model, folder, "--picture", tmp_path / "p.png", code=2)
    said("embed", digit_model, folder, "-o", tmp_path / (EVIL + "index"), code=2)
    said("search", tmp_path / (EVIL + "index"), name, "--picture", tmp_path / "n.png", code=0)
    said("similarity", name, name, "--model", digit_model, code=0)
    said("train", tmp_path / (EVIL + ".toml"), code=2)
    said("data", "show", folder, code=2)
    said("export", tmp_path / (EVIL + ".pth"), code=2)


def test_json_is_valid_where_the_output_is_ascii(tmp_path: Path) -> None:
    card = ModelCard("regression", (TableInput("x", ("a", "b")),), (OutputCard("y", "values"),), ("é\x9b", "😀"))
    file = linear_file(tmp_path / "m.onnx", card)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    done = subprocess.run(
        [TOOLKIT, "predict", file, tmp_path / "t.csv", "--json"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert strictly(done.stdout.decode("ascii"))["predictions"][0]["values"] == {"é\x9b": 1.0, "😀": 2.0}


def test_commands_print_through_one_module() -> None:
    """No command prints or writes JSON by itself: `runtime/commands/printable.py` does, and the line above a progress bar."""
    found = []
    for path in [
        ROOT / "cli.py",
        *(path for floor in ("runtime", "toolkit", "exporters") for path in ROOT.glob(f"{floor}/commands/*.py")),
    ]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in ("print", "click.echo", "click.secho", "json.dumps") and path.name not in (
                "printable.py",
                "progress.py",
            ):
                found.append(f"{path.relative_to(ROOT)}: {name}")
    assert found == []
