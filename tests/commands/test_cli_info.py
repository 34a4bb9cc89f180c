"""`toolkit info` through the real command line: what it tells, draws and refuses, with and without the onnx package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import helper, numpy_helper
from PIL import Image

from cli import main
from runtime.commands.info import info as command
from runtime.errors import InputError
from runtime.session.describe import describe_file


def info(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["info", *map(str, arguments)])


def test_info_tells_what_is_in_the_file(digit_model: Path) -> None:
    text = info(digit_model).output
    for words in (
        "opset    ai.onnx",
        "multiply-adds at input (1, 1, 8, 8)",
        "runs on  onnxruntime>=",
        "largest layers",
    ):
        assert words in text
    facts = json.loads(info(digit_model, "--json").output)["graph"]
    assert facts["parameters"] == 8 * 9 + 8 + 288 * 16 + 16 + 160 + 10
    assert facts["multiply_adds"] == 8 * 9 * 36 + 288 * 16 + 160
    assert facts["warnings"] == []
    assert sum(facts["operators"].values()) == facts["nodes"]


def test_info_warns_of_a_file_from_elsewhere(plain_model: Path) -> None:
    assert "warning  no card" in info(plain_model).output
    assert json.loads(info(plain_model, "--json").output)["graph"]["warnings"]


@pytest.mark.parametrize("name", ["net.png", "net.svg"])
def test_info_draws_a_file_and_its_checkpoint(digit_model: Path, tmp_path: Path, name: str) -> None:
    for source in (digit_model, digit_model.with_name("best.pth")):
        picture = tmp_path / source.stem / name
        done = info(source, "--picture", picture)
        assert done.exit_code == 0, done.output
        assert done.output.splitlines()[-1] == f"drew {picture}"
        if name.endswith("png"):
            with Image.open(picture) as opened:
                assert min(opened.size) > 100
        else:
            assert b"</svg>" in picture.read_bytes()


def test_info_refuses_another_kind_of_picture(digit_model: Path, tmp_path: Path) -> None:
    for source in (digit_model, digit_model.with_name("best.pth")):
        done = info(source, "--picture", tmp_path / "net.pdf")
        assert done.exit_code == 2
        assert "ends in .svg or .png" in done.output
        assert "is the file itself" in info(source, "--picture", source).output
    assert list(tmp_path.iterdir()) == []


def test_info_without_the_onnx_package_says_what_it_would_add(digit_model: Path) -> None:
    program = (
        "import sys; sys.modules['onnx'] = None; sys.modules['torch'] = None; from cli import main; "
        "sys.argv = ['toolkit', 'info', sys.argv[1], *sys.argv[2:]]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(digit_model)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "task     classification" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("pip install 'onnx-edge-toolkit[train]'")
    asked = [sys.executable, "-c", program, str(digit_model), "--picture", "x.svg"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "toolkit info --picture needs the package 'onnx'" in done.stderr


def test_info_does_not_compute_what_a_file_asks_for(tmp_path: Path) -> None:
    """2^34 numbers out of 200 bytes: onnxruntime would compute them when it opens the file."""
    side = numpy_helper.from_array(np.array([2**17, 2**17]), "s")
    graph = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["s"], ["z"]), helper.make_node("Add", ["x", "z"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, ["n"])],
        [helper.make_tensor_value_info("y", 1, None)],
        [side],
    )
    path = tmp_path / "bomb.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    done = subprocess.run(
        [sys.executable, "-m", "cli", "info", str(path), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert any("may take all memory" in warning for warning in json.loads(done.stdout)["graph"]["warnings"])


def test_info_on_a_truncated_file_exits_with_2(digit_model: Path, tmp_path: Path) -> None:
    content = digit_model.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        path = tmp_path / "cut.onnx"
        path.write_bytes(content[: int(len(content) * share)])
        done = info(path)
        assert done.exit_code == 2
        assert done.output.startswith("Error: ")
        assert len(done.output.strip().splitlines()) == 1


def alone(*arguments: Any) -> Result:
    """The command without the command line, which names what the floors above the runtime add."""
    return CliRunner().invoke(command, list(map(str, arguments)))


def test_info_by_itself_tells_what_the_runtime_knows(digit_model: Path, tmp_path: Path) -> None:
    facts, text = describe_file(digit_model)
    assert alone(digit_model).output == f"{text}\n"
    assert json.loads(alone(digit_model, "--json").output) == json.loads(json.dumps(facts))
    for arguments, words in (
        ((digit_model.with_name("best.pth"),), "is a checkpoint; an ONNX file is expected"),
        ((digit_model, "--picture", tmp_path / "net.svg"), "nothing here draws"),
    ):
        with pytest.raises(InputError, match=words):
            raise alone(*arguments).exception
    assert list(tmp_path.iterdir()) == []
