"""The history's files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

from toolkit.training.runs.history import epoch_line, measured, write_history

HISTORY = [
    {"epoch": 0, "loss": 0.5, "val_loss": 0.75, "lr": 0.1, "seconds": 1.5},
    {"epoch": 1, "loss": 0.25, "val_loss": math.nan, "val_r2": 0.5, "lr": 0.1, "seconds": 1.25},
]


def test_json_holds_settings_and_epochs_and_names_what_is_no_number_null(tmp_path: Path) -> None:
    write_history(tmp_path, {"lr": 0.1}, HISTORY)
    content = json.loads((tmp_path / "history.json").read_text(), parse_constant=lambda name: 1 / 0)
    assert content["settings"] == {"lr": 0.1}
    assert content["epochs"][0] == HISTORY[0]
    assert content["epochs"][1] == {**HISTORY[1], "val_loss": None}


def test_the_table_has_a_column_for_each_value_that_ever_was(tmp_path: Path) -> None:
    write_history(tmp_path, {}, HISTORY)
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "val_loss", "lr", "seconds", "val_r2"]
    assert [float(row["loss"]) for row in rows] == [0.5, 0.25]
    assert [row["val_r2"] for row in rows] == ["", "0.5"]
    assert rows[1]["val_loss"] == ""


def test_a_card_is_told_numbers_only() -> None:
    assert measured(HISTORY[1]) == {"epoch": 1, "loss": 0.25, "val_r2": 0.5}


def test_an_epochs_line_is_short() -> None:
    entry = {"epoch": 1, "loss": 0.25, "val_acc": 0.5, "lr": 0.1, "seconds": 1.25}
    assert epoch_line(entry, 8) == "epoch 2/8  loss 0.2500  val_acc 0.5000  1.2 s"
