"""The examples run, one after the other, as their first lines say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

from toolkit.data.readers.digits import digit_pictures

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(*arguments: object, folder: Path) -> str:
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_network_is_trained_on_a_laptop_and_used_on_a_board(tmp_path: Path) -> None:
    output = run(EXAMPLES / "train_digits.py", folder=tmp_path)
    assert "wrote digits.onnx: verified" in output
    pictures, labels = digit_pictures()
    (tmp_path / "pictures").mkdir()
    for number in range(12):
        Image.fromarray(pictures[number]).save(tmp_path / "pictures" / f"{number}.png")
    (tmp_path / "pictures" / "broken.png").write_bytes(b"not a picture")
    output = run(EXAMPLES / "predict_on_board.py", "digits.onnx", "pictures", folder=tmp_path)
    lines = output.splitlines()
    right = sum(f"pictures/{number}.png: {labels[number]} (" in output for number in range(12))
    assert right >= 11
    assert sum("broken.png cannot be read as a picture" in line for line in lines) == 1
    assert lines[-1].endswith("running on cpu")
