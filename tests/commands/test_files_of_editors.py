"""Text files as other programs write them: with a byte-order mark, with numbers beyond all bounds, nested without end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exporters.commands.settings_from_options import _lines
from runtime.errors import InputError, SpecError, ToolkitError
from toolkit.builder.networks import network_layers
from toolkit.data.readers.vocabulary import read_vocabulary
from toolkit.training.runs.config import parse_change, read_run

MARK = "\ufeff"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(MARK + '[model]\nname = "mlp"\n', encoding="utf-8")
    assert read_run(path) == {"model": {"name": "mlp"}}
    path = tmp_path / "layers.json"
    path.write_text(
        MARK + json.dumps({"layers": [{"layer": "linear", "arguments": {"size": 3}, "activation": None}]}),
        encoding="utf-8",
    )
    assert len(network_layers(str(path), (), 3, "classification")) == 1
    path = tmp_path / "labels.txt"
    path.write_text(MARK + "cat\ndog\n", encoding="utf-8")
    assert _lines(path) == ["cat", "dog"]


@pytest.mark.parametrize("text", ["a = " + "1" * 5000, "a = " + "[" * 5000, "a = " + "{a = " * 3000, "\x00", "a = 1e"])
def test_a_toml_that_python_cannot_hold_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is not TOML"):
        read_run(path)
    assert parse_change(f"x={text[4:]}")[0] == "x"


@pytest.mark.parametrize(
    "text", ["1" * 5000, "[" * 100_000, '{"layers": ' + "[" * 900 + "]" * 900 + "}", "NaN", "\x00"]
)
def test_a_network_that_python_cannot_hold_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "layers.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError):
        network_layers(str(path), (), 3, "classification")


@pytest.mark.parametrize("value", ["1e999", "-1e999", "NaN", "[]", "1" * 5000])
def test_a_vocabulary_with_an_index_beyond_all_bounds_is_refused(value: str) -> None:
    with pytest.raises(ToolkitError):
        read_vocabulary('{"a": 0, "b": ' + value + "}")
