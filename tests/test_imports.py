"""What an import or a command brings into memory, and what runs without torch: shown in child processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cli

TRAIN_ONLY = ("torch", "torchvision", "torchmetrics", "onnx", "onnxscript", "onnxsim", "matplotlib", "rich", "jinja2")
HEAVY = {*TRAIN_ONLY, "numpy", "PIL", "onnxruntime"}

COMMANDS = """
from click.testing import CliRunner
from cli import main
done = []
for arguments in json.loads(sys.argv[2]):
    result = CliRunner().invoke(main, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    done.append([result.exit_code, result.stdout, result.stderr])
"""


def child(code: str, argument: Any = None, without: tuple[str, ...] = ()) -> tuple[Any, set[str]]:
    """Run `code` in a new Python in which `without` cannot be imported: what it leaves in `done`, and its modules."""
    lines = [
        "import json, sys",
        "for name in json.loads(sys.argv[1]): sys.modules[name] = None",
        "done = None",
        code,
        "loaded = sorted(name for name, module in sys.modules.items() if module is not None)",
        "print(json.dumps([done, loaded]))",
    ]
    arguments = [json.dumps(without), json.dumps(argument)]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines), *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    done, loaded = json.loads(ended.stdout)
    return done, {name.partition(".")[0] for name in loaded}


@pytest.mark.parametrize("package", ["runtime", "toolkit", "exporters", "cli"])
def test_importing_a_package_brings_in_nothing_heavy(package: str) -> None:
    _, loaded = child(f"import {package}")
    assert package in loaded
    assert not loaded & HEAVY


def test_using_the_runtime_brings_in_numpy_pillow_and_onnxruntime_alone(digit_model: Path, digit_files: Path) -> None:
    code = """
import runtime
model = runtime.load(json.loads(sys.argv[2])[0], "cpu")
files = json.loads(sys.argv[2])[1]
done = [[result.label for result in model.predict(files)], model.embed(files).shape]
"""
    (labels, shape), loaded = child(code, [str(digit_model), str(digit_files / "0")])
    assert labels.count("0") > 5
    assert shape == [10, 16]
    assert loaded & HEAVY == {"numpy", "PIL", "onnxruntime"}


def test_predicting_a_picture_brings_in_neither_other_tasks_and_inputs_nor_other_formats(
    digit_model: Path, digit_files: Path
) -> None:
    code = """
import runtime
model, picture = json.loads(sys.argv[2])
done = [runtime.load(model, "cpu").predict(picture).label, sorted(sys.modules)]
"""
    (_, loaded), _ = child(code, [str(digit_model), str(digit_files / "0" / "0.png")])
    assert {"runtime.results.classification", "runtime.card.image_input", "PIL.PngImagePlugin"} <= set(loaded)
    others = [f"runtime.results.{name}" for name in ("dense", "multilabel", "regression", "embedding", "raw")]
    others += [f"runtime.card.{name}_input" for name in ("table", "text", "sequence", "array")]
    others += [f"runtime.preprocess.{name}" for name in ("tables", "text", "sequences", "named_inputs")]
    others += ["PIL.GifImagePlugin", "PIL.DdsImagePlugin", "PIL.TgaImagePlugin", "csv", "hashlib"]
    assert not set(others) & set(loaded)


def test_every_name_of_the_runtime_works_without_torch_and_onnx(digit_model: Path) -> None:
    code = """
import importlib, pkgutil, runtime
from runtime import *
for module in pkgutil.walk_packages(runtime.__path__, "runtime."):
    importlib.import_module(module.name)
similarity_matrix([[1.0, 0.0]], [[1.0, 1.0]])
done = [Model.__name__, load(sys.argv[2].strip('"'), "cpu").card.task, ModelCard.__name__]
"""
    done, loaded = child(code, str(digit_model), without=TRAIN_ONLY)
    assert done == ["Model", "classification", "ModelCard"]
    assert not loaded & set(TRAIN_ONLY)


def test_every_run_time_command_works_without_torch_and_onnx(
    digit_model: Path, digit_files: Path, table_model: Path, table_file: Path, plain_model: Path, tmp_path: Path
) -> None:
    model, index = str(digit_model), str(tmp_path / "index")
    first, second = (str(digit_files / name / "0.png") for name in "12")
    commands = [
        ["info", model],
        ["info", str(plain_model), "--json"],
        ["predict", model, str(digit_files)],
        ["predict", model, str(digit_files), "--json"],
        ["predict", str(table_model), str(table_file), "--csv"],
        ["embed", model, str(digit_files), "-o", index],
        ["search", index, first, "--picture", str(tmp_path / "found.png")],
        ["similarity", first, second, "--model", model],
        ["bench", model, "--seconds", "0.01"],
        ["doctor", "--json"],
    ]
    done, loaded = child(COMMANDS, commands, without=TRAIN_ONLY)
    for command, (code, out, err) in zip(commands[:-1], done[:-1], strict=True):
        assert (command, code, err) == (command, 0, "")
        assert out
    assert (tmp_path / "found.png").exists()
    findings = json.loads(done[-1][1])
    assert done[-1][0] == (0 if all(finding["well"] for finding in findings) else 1)
    assert not loaded & set(TRAIN_ONLY)


@pytest.mark.parametrize("missing", ["torch", "onnx"])
def test_what_needs_the_extra_says_so_in_one_paragraph(missing: str, digit_model: Path, tmp_path: Path) -> None:
    model, checkpoint = str(digit_model), str(digit_model.with_name("best.pth"))
    commands = {
        "toolkit export": ["export", checkpoint, "-o", str(tmp_path / "out" / "model.onnx")],
        "toolkit check": ["check", model, checkpoint],
        "toolkit demo": ["demo", "-o", str(tmp_path / "demo")],
    }
    if missing == "torch":
        commands["toolkit train"] = ["train", "--model", "lenet", "--data", str(tmp_path), "-o", str(tmp_path / "run")]
        commands["toolkit info on a checkpoint"] = ["info", checkpoint]
    done, _ = child(COMMANDS, list(commands.values()), without=(missing,))
    for name, result in zip(commands, done, strict=True):
        words = (
            f"Error: {name} needs the package '{missing}', which is not installed. "
            "Install it with: pip install 'onnx-edge-toolkit[train]'\n"
        )
        assert result == [2, "", words]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["toolkit.nn", "exporters.export"])
def test_what_needs_torch_names_the_extra_when_it_is_first_used(name: str) -> None:
    package, _, attribute = name.partition(".")
    code = f"""
import {package}
from runtime.errors import MissingPackageError
try:
    {package}.{attribute}
except MissingPackageError as error:
    done = str(error)
"""
    done, _ = child(code, without=("torch", "onnx"))
    assert "pip install 'onnx-edge-toolkit[train]'" in done


def test_without_onnxruntime_every_run_time_command_names_the_extra(digit_model: Path, digit_files: Path) -> None:
    model, picture = str(digit_model), str(digit_files / "1" / "0.png")
    commands = [
        ["info", model],
        ["predict", model, picture],
        ["similarity", picture, picture, "--model", model],
        ["bench", model],
        ["doctor"],
    ]
    done, _ = child(COMMANDS, commands, without=("onnxruntime",))
    for code, out, err in done[:-1]:
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert "pip install 'onnx-edge-toolkit[cpu]'" in err
    assert done[-1][0] == 1
    assert "!!  device cpu" in done[-1][1]


def test_help_brings_in_nothing_heavy() -> None:
    commands = [
        ["--help"],
        ["--version"],
        ["data", "show", "--help"],
        *([name, "--help"] for name in cli.main.commands),
    ]
    done, loaded = child(COMMANDS, commands)
    assert len(commands) >= 15
    assert [code for code, _, _ in done] == [0] * len(commands)
    assert not loaded & HEAVY
