"""A pipe in the place of a file is refused by every door, and waited for by none."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main

COMMANDS: dict[str, Callable[[str, str], list[str]]] = {
    "info": lambda pipe, _: ["info", pipe],
    "predict: the model": lambda pipe, model: ["predict", pipe, model],
    "predict: the input": lambda pipe, model: ["predict", model, pipe],
    "bench": lambda pipe, _: ["bench", pipe],
    "similarity": lambda pipe, model: ["similarity", pipe, pipe, "--model", model],
    "embed": lambda pipe, model: ["embed", model, pipe, "-o", "index"],
    "search": lambda pipe, _: ["search", pipe, pipe],
    "train: the run": lambda pipe, _: ["train", pipe],
    "train: the data": lambda pipe, _: ["train", "--data", pipe],
    "data": lambda pipe, _: ["data", pipe],
    "export": lambda pipe, _: ["export", pipe],
    "export: a card": lambda pipe, model: ["export", model, "--card", pipe],
    "export: labels": lambda pipe, model: ["export", model, "--labels", pipe],
    "check": lambda pipe, model: ["check", pipe, model],
    "check: the second": lambda pipe, model: ["check", model, pipe],
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
@pytest.mark.parametrize("suffix", ["", ".png", ".csv", ".safetensors"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_is_refused(
    command: str, suffix: str, digit_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pipe = Path("pipe" + suffix)
    os.mkfifo(pipe)
    waited = threading.Event()

    def write() -> None:  # lets go of a reader that waits
        waited.set()
        with open(pipe, "wb"):
            pass

    timer = threading.Timer(20, write)
    timer.start()
    try:
        result = CliRunner().invoke(main, COMMANDS[command](str(pipe), str(digit_model)))
    finally:
        timer.cancel()
    assert not waited.is_set()
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit), result.exception
