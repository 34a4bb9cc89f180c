"""Runs through the real command line: from TOML, with --set, stopped and resumed, of several processes, on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from cli import main
from toolkit.training.checkpoints.checkpoint import Checkpoint

TOOLKIT = str(Path(sys.executable).with_name("toolkit"))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160", "CUDA_VISIBLE_DEVICES": ""}
# augmentation, mixing, dropout and averaged weights, made by two worker processes
RUN = """
[model]
init = "kaiming_normal"

[[model.layers]]
layer = "conv2d"
size = [1, 4]
kernel_size = 3
activation = "relu"

[[model.layers]]
layer = "dropout"
p = 0.2

[[model.layers]]
layer = "linear"
size = 10
activation = "softmax"

[data]
path = "{data}"
color = "grayscale"
val_ratio = 0.2
workers = 2
transform = [{ RandomRotation = 8 }, { SaltAndPepperNoise = 0.02 }, { MixUp = 1 }]

[training]
epochs = 4
batch_size = 8
lr = 0.01
optimizer = { name = "SGD", momentum = 0.9 }
ema = 0.9
save_every = 3
metrics = ["acc", "top3"]
"""


def here(*arguments: object) -> Result:
    """A command in this process, which has torch loaded already."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return CliRunner().invoke(main, list(map(str, arguments)))
    finally:
        torch.set_num_threads(threads)


def done(*arguments: object) -> str:
    """What a command prints that succeeds, and that warns of nothing."""
    result = here(*arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


def refused(*arguments: object) -> str:
    """The one paragraph of a command that is refused."""
    result = here(*arguments)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    return line


def same_run(first: Path, second: Path) -> None:
    """Weights bit for bit, and every value of the history but the seconds."""
    for name in ("last.pth", "best.pth"):
        one, other = (Checkpoint.load(folder / name).state_dict for folder in (first, second))
        assert list(one) == list(other)
        assert all(torch.equal(one[key], other[key]) for key in one), name
    rows = [[line.split(",")[:-1] for line in (f / "history.csv").read_text().splitlines()] for f in (first, second)]
    assert rows[0] == rows[1]


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory, digit_files: Path) -> Path:
    path = tmp_path_factory.mktemp("toml") / "digits.toml"
    path.write_text(RUN.replace("{data}", str(digit_files)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, toml: Path) -> Path:
    """The folder of that run, made without a break."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done("train", toml, "-o", folder)
    return folder


# ---- TOML, --set, --dry-run, --find-lr ------------------------------------------------------------------------------------


def test_the_toml_in_the_run_folder_reproduces_the_run_bit_for_bit(whole: Path, tmp_path: Path) -> None:
    result = json.loads(done("train", whole / "run.toml", "-o", tmp_path / "again", "--json"))
    same_run(whole, tmp_path / "again")
    assert (tmp_path / "again" / "run.toml").read_text() == (whole / "run.toml").read_text()
    record = json.loads((whole / "run.json").read_text())
    assert (record["state"], record["epochs"], record["seed"]) == ("finished", 4, 0)
    assert result["history"][-1]["val_top3"] == pytest.approx(float(last_row(whole)["val_top3"]))


def last_row(folder: Path) -> dict[str, str]:
    head, *_, last = (folder / "history.csv").read_text().splitlines()
    return dict(zip(head.split(","), last.split(","), strict=True))


def test_the_number_of_workers_changes_no_weight(whole: Path, toml: Path, tmp_path: Path) -> None:
    done("train", toml, "--set", "data.workers=0", "-o", tmp_path / "alone")
    same_run(whole, tmp_path / "alone")


def test_a_dry_run_writes_nothing(toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = done("train", toml, "--dry-run")
    for words in (
        "conv2d1",
        "80 for training, 20 for validation",
        "4 epochs of 10 steps of 8 examples",
        'augmentation: [{"RandomRotation": {"degrees": 8}}',
        "nothing was written",
    ):
        assert words in text
    facts = json.loads(done("train", toml, "--dry-run", "--json"))
    assert (facts["steps"], facts["settings"]["ema"], facts["data"]["training"]) == (40, 0.9, 80)
    assert list(tmp_path.iterdir()) == []


def test_set_reaches_tables_within_tables_and_places_in_lists(toml: Path) -> None:
    changes = {
        "training.optimizer.momentum": "0.5",
        "training.metrics": '["acc", "f1"]',
        "model.layers.0.kernel_size": "5",
        "model.layers.0.size.1": "6",
        "data.transform.0": "{ RandomRotation = 20 }",
        "training.schedule": "cosine",  # no TOML, so a text
    }
    options = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    config = json.loads(done("train", toml, "--dry-run", "--json", *options))["config"]
    assert config["training"]["optimizer"] == {"name": "SGD", "momentum": 0.5}
    assert config["training"]["metrics"] == ["acc", "f1"]
    assert config["training"]["schedule"] == "cosine"
    assert config["model"]["layers"][0] == {"layer": "conv2d", "size": [1, 6], "kernel_size": 5, "activation": "relu"}
    assert config["data"]["transform"][:2] == [{"RandomRotation": 20}, {"SaltAndPepperNoise": 0.02}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("training.lrr=1", "There is no key 'training.lrr'. Did you mean 'lr'?"),
        ("trainig.lr=1", "There is no key 'trainig'. Did you mean 'training'?"),
        ("training.lr", "KEY=VALUE is expected"),
        ("training.lr.low=1", "'lr' is 0.01 and has no keys below it"),
        ("training.lr=fast", "lr='fast' was given; a number above 0 is expected"),
        ("model.layers.3.size=1", "'3' was given for a list of 3; a position from 0 to 2 is expected"),
        ("model.layers.first.size=1", "'first' was given for a list of 3"),
        ("data.transform.0.RandomRotatio=1", "There is no transform 'RandomRotatio'. Did you mean 'RandomRotation'"),
        ("training.optimizer.momentm=1", "The optimiser 'sgd' has no option 'momentm'. Did you mean 'momentum'?"),
    ],
)
def test_a_set_that_does_not_fit_is_one_paragraph(toml: Path, change: str, words: str) -> None:
    assert words in refused("train", toml, "--dry-run", "--set", change)


def test_a_learning_rate_is_found_and_drawn(toml: Path, tmp_path: Path) -> None:
    found = json.loads(done("train", toml, "--find-lr", "--json", "-o", tmp_path / "run"))
    assert 1e-7 < found["lr"] < 10
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lr.png"]
    with Image.open(found["picture"]) as picture:
        assert picture.width > 300


# ---- stopped and resumed, several processes, a terminal -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_was_stopped_is_resumed_bit_for_bit(
    whole: Path, toml: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "stopped"
    command = [TOOLKIT, "train", str(toml), "-o", str(folder)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (folder / "last.pth").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == f"Stopped.\nNothing is lost; continue with: toolkit train -o {folder} --resume\n"
    assert json.loads((folder / "run.json").read_text())["state"] == "interrupted"
    done("train", "-o", folder, "--resume")
    same_run(whole, folder)


@pytest.mark.slow
def test_two_processes_learn_what_one_with_the_doubled_batch_learns(digit_files: Path, tmp_path: Path) -> None:
    options = ["--model", "mlp", "--data", digit_files, "--color", "grayscale", "--optimizer", "sgd", "--lr", 0.05]
    options += ["--epochs", 2, "--json"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "cli", "train"]
    command = [sys.executable, *launch, *map(str, options), "--batch-size", "8", "-o", str(tmp_path / "two")]
    two = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert two.returncode == 0, two.stderr[-3000:]
    said = json.loads(two.stdout)  # of one process only
    one = json.loads(done("train", *options, "--batch-size", 16, "-o", tmp_path / "one"))
    assert said["files"] == one["files"]
    for name in ("last.pth", "best.pth"):
        alone, together = (Checkpoint.load(tmp_path / folder / name).state_dict for folder in ("one", "two"))
        for key in alone:
            torch.testing.assert_close(together[key], alone[key], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_on_a_terminal_every_epoch_has_its_own_line_above_the_bar(toml: Path, tmp_path: Path) -> None:
    parent, child = pty.openpty()
    command = [TOOLKIT, "train", str(toml), "--set", "data.workers=0", "-o", str(tmp_path / "run")]
    process = subprocess.Popen(command, env={**ENVIRONMENT, "TERM": "xterm"}, stdin=child, stdout=child, stderr=child)
    os.close(child)
    shown = b""
    try:
        while part := os.read(parent, 65536):
            shown += part
    except OSError:  # so a terminal ends on Linux
        pass
    os.close(parent)
    assert process.wait(timeout=60) == 0
    # what is left of each line once the bar was wiped from it
    lines = [
        re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line.split("\x1b[2K")[-1]).strip() for line in shown.decode().split("\n")
    ]
    epochs = [line for line in lines if re.match(r"epoch \d/4  loss \d", line)]
    assert [line.split("  ")[0] for line in epochs] == [f"epoch {number}/4" for number in range(1, 5)]
    assert all(re.search(r"  \d+\.\d s$", line) for line in epochs)
    assert "40/40" in shown.decode()  # the bar
    assert lines[-2].startswith("next: toolkit export")


# ---- data of other kinds --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_folder_of_texts_is_trained_exported_and_predicted(tmp_path: Path) -> None:
    (tmp_path / "names").mkdir()
    starts = ("Al", "Ber", "Car", "Del", "Fal", "Gor", "Hel", "Kan", "Mar", "Tor", "Ves", "Zan")
    for language, ending in (("Italian", "ini"), ("Japanese", "moto")):
        lines = "".join(f"{start}{ending}\n" for start in starts)
        (tmp_path / "names" / f"{language}.txt").write_text(lines, encoding="utf-8")
    layers = [
        {"layer": "embedding", "arguments": {"size": 8, "padding_idx": 0}},
        {"layer": "gru", "arguments": {"size": 12, "last_step": True}},
        {"layer": "linear", "arguments": {"size": 2}, "activation": "softmax"},
    ]
    (tmp_path / "network.json").write_text(json.dumps({"layers": layers}))
    run = tmp_path / "run"
    done("train", "--model", tmp_path / "network.json", "--data", tmp_path / "names", "--lr", 0.03, "-o", run)
    said = done("export", run / "best.pth", "--simplifier", "none")
    assert f"toolkit predict {run / 'best.onnx'} LINES.txt" in said
    (tmp_path / "lines.txt").write_text("Vermini\nYamamoto\n", encoding="utf-8")
    found = json.loads(done("predict", run / "best.onnx", tmp_path / "lines.txt", "--json"))["predictions"]
    assert [(entry["source"], entry["label"]) for entry in found] == [("Vermini", "Italian"), ("Yamamoto", "Japanese")]
    assert "Vermini is no file. Put the texts into one" in refused("predict", run / "best.onnx", "Vermini")


@pytest.mark.slow
def test_the_accuracy_of_the_test_part_is_that_of_the_exported_file(digit_files: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for digit in range(10):
        for number in range(10):
            part = data / ("test" if number < 4 else "train") / str(digit)
            part.mkdir(parents=True, exist_ok=True)
            (part / f"{number}.png").write_bytes((digit_files / str(digit) / f"{number}.png").read_bytes())
    options = ["--color", "grayscale", "--epochs", 8, "--batch-size", 8, "--augment", '{"RandomRotation": 5}']
    text = done("train", "--model", "mlp", "--data", data, *options, "-o", tmp_path / "run")
    (said,) = re.findall(r"test part, 40 examples, .* acc (\d\.\d+)", text)
    done("export", tmp_path / "run" / "best.pth", "--simplifier", "none")
    found = json.loads(done("predict", tmp_path / "run" / "best.onnx", data / "test", "--json"))["predictions"]
    right = sum(entry["label"] == Path(entry["source"]).parent.name for entry in found)
    assert right / len(found) == pytest.approx(float(said), abs=1e-4)


def test_one_label_that_holds_or_not_is_trained(tmp_path: Path) -> None:
    rows = "".join(f"{value},{-value},{int(value > 0)}\n" for value in range(-10, 10))
    (tmp_path / "signs.csv").write_text(f"a,b,positive\n{rows}")
    options: list[Any] = ["--data", tmp_path / "signs.csv", "--task", "multilabel", "--epochs", 1, "--json"]
    result = json.loads(
        done("train", "--model", "mlp", *options, "--set", 'training.metrics=["acc","auroc"]', "-o", tmp_path / "run")
    )
    assert {"acc", "auroc"} <= set(result["history"][0])


# ---- toolkit data show ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("augment", "width"),
    [
        (None, None),
        ('{"RandomRotation": 15}', 4),
        ('{"MixUp": 1}', 4),
        ('[{"RandomInvert": 1}, {"CutMix": 0.5}]', 4),
        ('{"FiveCrop": 6}', 6),
    ],
)
def test_a_sheet_shows_what_a_training_sees(digit_files: Path, tmp_path: Path, augment: str | None, width: Any) -> None:
    options = ["--color", "grayscale", "--rows", 3, "--columns", 4, "-o", tmp_path / "sheet.png"]
    options += ["--augment", augment] if augment else []
    facts = json.loads(done("data", "show", digit_files, *options, "--json"))
    assert (facts["examples"], facts["shape"], facts["classes"]["7"]) == (100, [1, 8, 8], 10)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert width is None or picture.width == round(width * 1.15 * 110)
        assert len(picture.convert("L").getcolors()) > 50
    assert f"drew {tmp_path / 'sheet.png'}" in done("data", "show", digit_files, *options)


def test_a_sheet_of_what_is_no_picture_says_what_shows_it(tmp_path: Path) -> None:
    (tmp_path / "table.tsv").write_text("a\tb\n1.5\t2.5\n")
    message = refused("data", "show", tmp_path / "table.tsv", "-o", tmp_path / "sheet.png")
    assert "holds no pictures" in message
    assert message.endswith("--dry-run.")
    assert [path.name for path in tmp_path.iterdir()] == ["table.tsv"]
