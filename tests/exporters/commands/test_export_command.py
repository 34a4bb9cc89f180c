"""Options as texts become the settings of an export."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import main
from exporters.commands.export import export
from exporters.commands.settings_from_options import settings_of
from exporters.settings import make_settings
from runtime.errors import CardError, InputError, ToolkitError


def defaults() -> dict[str, Any]:
    """What click hands over when nothing is given."""
    options = {param.name: param.default for param in export.params}
    kept = {
        name: (() if name == "embed_postprocess" else None if "Sentinel" in type(value).__name__ else value)
        for name, value in options.items()
    }
    return {name: value for name, value in kept.items() if name not in ("source", "output", "dry_run", "as_json")}


def asked(**changes: Any) -> dict[str, Any]:
    return settings_of({**defaults(), **changes})


def test_the_command_lines_defaults_are_those_of_the_settings() -> None:
    assert make_settings(asked()) == make_settings({})


def test_lists_lengths_and_objects_are_read() -> None:
    found = asked(outputs="logits, layer:0", dynamic="batch,height", input_size="3x64,32", arch_args='{"width": 2}')
    assert found["outputs"] == ("logits", "layer:0")
    assert found["dynamic"] == ("batch", "height")
    assert found["input_size"] == (3, 64, 32)
    assert found["arch_args"] == {"width": 2}
    assert asked(static=True)["dynamic"] == ()
    assert asked(opset=17)["opset_version"] == 17
    assert asked(atol=0.5)["tolerance"].absolute == 0.5


def test_a_card_and_labels_are_read_from_files(tmp_path: Path) -> None:
    image = {"kind": "image", "name": "input", "color": "RGB", "size": [8, 8], "mean": [0.5] * 3}
    (tmp_path / "card.json").write_text(json.dumps({"task": "classification", "inputs": [image], "labels": ["a", "b"]}))
    (tmp_path / "labels.txt").write_text("cat\ndog\n\n")
    found = asked(card=str(tmp_path / "card.json"))
    assert (found["task"], found["labels"], found["inputs"][0].mean) == ("classification", ("a", "b"), (0.5, 0.5, 0.5))
    (tmp_path / "short.json").write_text('{"task": "classification", "labels": ["a", "b"]}')
    assert asked(card=str(tmp_path / "short.json"))["inputs"] is None
    both = asked(card=str(tmp_path / "card.json"), labels=str(tmp_path / "labels.txt"))
    assert both["labels"] == ("cat", "dog")


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"static": True, "dynamic": "batch"}, InputError, "choose one"),
        ({"input_size": "3,a"}, InputError, "--input-size '3,a'"),
        ({"input_size": "0,3"}, InputError, "lengths are expected"),
        ({"atol": float("nan")}, InputError, "--atol nan"),
        ({"max_drop": float("inf")}, InputError, "--max-drop inf"),
        ({"arch_args": "{"}, InputError, "is not JSON"),
        ({"arch_args": "[1]"}, InputError, "is no JSON object"),
        ({"card": "none.json"}, InputError, "none.json does not exist"),
        ({"labels": "none.txt"}, InputError, "none.txt does not exist"),
    ],
)
def test_what_cannot_be_read_is_said(changes: dict[str, Any], kind: type[ToolkitError], words: str) -> None:
    with pytest.raises(kind, match=words):
        asked(**changes)


def test_broken_cards_and_empty_labels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(CardError, match="is not JSON"):
        asked(card=str(tmp_path / "card.json"))
    (tmp_path / "card.json").write_text("[]")
    with pytest.raises(CardError, match=r"malformed.*Write an object, such as"):
        asked(card=str(tmp_path / "card.json"))
    for text, words in (
        ('{"labels": ["a"]}', "names no task"),
        ('{"task": "regression", "label": []}', "Did you mean 'labels'"),
        ('{"task": "classification", "inputs": [{"kind": "image"}]}', "Write an object, such as"),
    ):
        (tmp_path / "card.json").write_text(text)
        with pytest.raises(CardError, match=words):
            asked(card=str(tmp_path / "card.json"))
    for text in ("", "a\n\nb\n"):
        (tmp_path / "labels.txt").write_text(text)
        with pytest.raises(InputError, match="holds no labels"):
            asked(labels=str(tmp_path / "labels.txt"))


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    said = CliRunner().invoke(main, ["export", str(checkpoint), "-o", str(target), "--dry-run", "--json"])
    assert said.exit_code == 0, said.output
    facts = json.loads(said.output)
    assert facts["path"] == str(target)
    assert facts["inputs"] == [{"name": "input", "shape": ["batch", 1, 8, 8]}]
    assert [stage["name"] for stage in facts["stages"]] == ["trace", "simplify", "stamp", "verify"]
    text = CliRunner().invoke(main, ["export", str(checkpoint), "-o", str(target), "--dry-run"]).output
    assert all(stage["what"] in text for stage in facts["stages"])
    refused = CliRunner().invoke(main, ["export", str(checkpoint), "-o", str(checkpoint), "--dry-run"])
    assert refused.exit_code == 2
    assert "is the checkpoint itself" in refused.output
    assert list(tmp_path.iterdir()) == []


def test_stages_are_kept_on_request(checkpoint: Path, tmp_path: Path) -> None:
    arguments = ["export", str(checkpoint), "-o", str(tmp_path / "a.onnx"), "--keep-stages", str(tmp_path / "stages")]
    said = CliRunner().invoke(main, [*arguments, "--simplifier", "none"])
    assert said.exit_code == 0, said.output
    assert sorted(path.name for path in (tmp_path / "stages").iterdir()) == [
        "1-trace.onnx", "2-stamp.onnx", "3-verify.onnx",
    ]  # fmt: skip
    refused = CliRunner().invoke(main, [*arguments[:-1], str(checkpoint)])
    assert refused.exit_code == 2
    assert "Name another folder with --keep-stages" in refused.output
    assert (tmp_path / "stages" / "3-verify.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes()


def test_what_is_written_takes_no_others_place(checkpoint: Path, tmp_path: Path) -> None:
    before = checkpoint.read_bytes()
    model, folder = str(tmp_path / "a.onnx"), str(tmp_path / "folder")
    for options, words in (
        (["--report", model], "as the exported file and as --report"),
        (["--report", str(checkpoint)], "as --report and as the source"),
        (["--triton", str(checkpoint)], "is a file; a folder"),
        (["--bundle", str(checkpoint / "x")], "Name another place with --bundle"),
        (["--bundle", str(tmp_path)], "Name another folder with --bundle"),
        (["--bundle", folder, "--triton", folder], "as --bundle and as --triton"),
        (["--bundle", folder, "--keep-stages", folder], "as --bundle and as --keep-stages"),
    ):
        said = CliRunner().invoke(main, ["export", str(checkpoint), "-o", model, *options])
        assert said.exit_code == 2
        assert words in said.output
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
def test_what_no_file_can_be_written_to_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("a" * 300 + ".onnx", "pipe"):
        said = CliRunner().invoke(main, ["export", str(checkpoint), "-o", str(tmp_path / name)])
        assert said.exit_code == 2, said.output
        assert said.output.startswith("Error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()
