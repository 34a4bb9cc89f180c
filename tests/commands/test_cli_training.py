"""`toolkit train`, `export`, `check` and `info` through the real command line: text, JSON, exit codes, and a killed run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from warm_processes import TOOLKIT, WarmProcesses

from cli import main
from toolkit.data.readers.digits import digit_pictures
from toolkit.training.checkpoints.checkpoint import Checkpoint

# one thread: the networks are small; the environment is the real one otherwise
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def toolkit(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a process of its own."""
    command = [str(TOOLKIT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT, cwd=cwd, timeout=300)


def here(*arguments: object) -> Result:
    """The same command in this process, which has torch loaded already."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return CliRunner().invoke(main, list(map(str, arguments)))
    finally:
        torch.set_num_threads(threads)


def refused(result: Result | subprocess.CompletedProcess[str], code: int = 2) -> str:
    """The one paragraph of an error, after checking that it is one."""
    returned = result.exit_code if isinstance(result, Result) else result.returncode
    assert returned == code, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert "Traceback" not in result.stderr + result.stdout
    return lines[0]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve PNG files each of the digits 0, 1 and 2."""
    root = tmp_path_factory.mktemp("pictures")
    images, labels = digit_pictures()
    for label in range(3):
        (root / str(label)).mkdir()
        for number, image in enumerate(images[labels == label][:12]):
            Image.fromarray(image).save(root / str(label) / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with dropout, as JSON."""
    path = tmp_path_factory.mktemp("layers") / "network.json"
    path.write_text(
        json.dumps(
            {
                "layers": [
                    {"layer": "conv2d", "arguments": {"size": 4, "kernel_size": 3}, "activation": "relu"},
                    {"layer": "dropout", "arguments": {"p": 0.3}},
                    {"layer": "linear", "arguments": {"size": 3}, "activation": "softmax"},
                ]
            }
        )
    )
    return path


@pytest.fixture(scope="module")
def options(pictures: Path, layers: Path) -> list[object]:
    """The options of one training of four epochs."""
    return [
        "--model", layers, "--data", pictures, "--epochs", 4, "--batch-size", 8, "--val-ratio", 0.25,
        "--color", "grayscale", "--seed", 7,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trained(options: list[object], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of that training, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    done = toolkit("train", *options, "-o", folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, done.stdout


@pytest.fixture(scope="module")
def exported(trained: tuple[Path, str], warm: WarmProcesses) -> tuple[Path, str]:
    """best.onnx beside the checkpoint, and what the export printed."""
    done = warm.toolkit("export", trained[0] / "best.pth")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return trained[0] / "best.onnx", done.stdout


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(Checkpoint.load(path).state_dict)


def same_weights(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


# ---- train ---------------------------------------------------------------------------------------------------------------


def test_training_prints_data_network_epochs_files_and_the_next_step(trained: tuple[Path, str], pictures: Path) -> None:
    folder, text = trained
    lines = text.splitlines()
    assert lines[0] == f"data: {pictures}: 36 examples of shape 1 x 8 x 8, 3 classes"
    assert "multiply-adds" in lines[1]
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/4", "epoch 2/4", "epoch 3/4", "epoch 4/4"]
    assert all("val_acc" in line for line in epochs)
    files = "best.pth, confusion.png, curves.png, history.csv, history.json, last.pth, run.json, run.toml"
    assert lines[-2] == f"wrote {folder}: {files}"
    assert lines[-1] == f"next: toolkit export {folder / 'best.pth'}"
    assert {path.name for path in folder.iterdir()} >= {
        "best.pth", "last.pth", "history.json", "curves.png", "confusion.png",
    }  # fmt: skip


def test_training_prints_json_alone_when_asked(
    options: list[object], trained: tuple[Path, str], tmp_path: Path
) -> None:
    done = here("train", *options, "-o", tmp_path / "run", "--json")
    assert done.exit_code == 0
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert set(result) == {"folder", "history", "best", "files"}
    assert len(result["history"]) == 4
    content = json.loads((trained[0] / "history.json").read_text())
    assert [entry["loss"] for entry in result["history"]] == [entry["loss"] for entry in content["epochs"]]
    assert same_weights(tmp_path / "run" / "last.pth", trained[0] / "last.pth")  # the same seed, the same weights


def test_a_regression_is_trained(tmp_path: Path) -> None:
    (tmp_path / "line.csv").write_text("a,b\n" + "".join(f"{n},{2 * n}\n" for n in range(20)))
    done = here(
        "train",
        "--model",
        "mlp",
        "--data",
        tmp_path / "line.csv",
        "--task",
        "reg",
        "--epochs",
        1,
        "-o",
        tmp_path / "run",
    )
    assert done.exit_code == 0
    assert "r2" in done.stdout
    assert f"wrote {tmp_path / 'run'}: best.pth, curves.png, history.csv, history.json" in done.stdout
    assert "confusion.png" not in done.stdout


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--model", "lenett"], "There is no network 'lenett'. Did you mean 'lenet'"),
        (["--model", "lenet"], "LeNet takes pictures of at least 12 x 12 pixels, got 8 x 8."),
        (["--model", "missing.json"], "missing.json does not exist"),
        (["--data", "nowhere"], "nowhere does not exist."),
        (["--optimizer", "adma"], "There is no optimiser 'adma'."),
        (["--schedule", "cosin"], "There is no schedule 'cosin'. Did you mean 'cosine'?"),
        (["--epochs", -1], "epochs=-1 was given"),
        (["--lr", -1], "lr=-1.0 was given"),
        (["--lr", "1e30", "--schedule", "constant", "--optimizer", "sgd"], "Use a smaller learning rate"),
        (["--batch-size", 0], "batch_size=0 was given"),
        (["--val-ratio", 1.5], "a share of at least 0 and below 1 is expected"),
        (["--weight-decay", -1], "weight_decay=-1.0 was given"),
        (["--seed", -1], "seed=-1 was given"),
        (["--workers", -1], "workers=-1 was given"),
        (["--size", 0, 5], "size"),
        (["--task", "reg"], "The data is for classification, the network for regression."),
    ],
)
def test_what_is_wrong_is_one_paragraph_and_exit_code_2(
    options: list[object], tmp_path: Path, changes: list[object], words: str
) -> None:
    assert words in refused(here("train", *options, *changes, "-o", tmp_path / "run"))
    assert not (tmp_path / "run" / "last.pth").exists()


@pytest.mark.parametrize("arguments", [["--data", "x"], ["--model", "mlp"], []])
def test_model_and_data_are_needed(tmp_path: Path, arguments: list[str]) -> None:
    assert "--model and --data are needed" in refused(here("train", *arguments, "-o", tmp_path / "run"))


@pytest.mark.parametrize(
    "arguments", [["--epochs", "many"], ["--color", "sepia"], ["--size", "8"], ["--colour", "RGB"]]
)
def test_wrong_usage_is_exit_code_2(options: list[object], tmp_path: Path, arguments: list[str]) -> None:
    done = here("train", *options, *arguments, "-o", tmp_path / "run")
    assert done.exit_code == 2
    assert "Usage: " in done.stderr


def test_an_error_in_a_process_of_its_own_has_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_text("a,b,kind\n1,2,x\n3,four,y\n")
    done = toolkit("train", "--model", "mlp", "--data", "broken.csv", "-o", "run", cwd=tmp_path)
    assert "broken.csv, row 2, column 'b': the cell is 'four'; a number is expected." in refused(done)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.csv"]


# ---- resume --------------------------------------------------------------------------------------------------------------


def kill_after(epochs: int, folder: Path, *arguments: object) -> int:
    """Start `toolkit train`, end it by SIGKILL once so many epochs are in last.pth; return how many are in it then."""
    path = folder / "last.pth"
    command = [str(TOOLKIT), "train", *map(str, arguments), "-o", str(folder)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not path.exists() or Checkpoint.load(path).training["epoch"] < epochs:
            assert process.poll() is None, "the training ended by itself"
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    return Checkpoint.load(path).training["epoch"]


def test_a_training_killed_twice_is_continued_bit_for_bit(
    options: list[object], warm: WarmProcesses, tmp_path: Path
) -> None:
    """SIGKILL once the first checkpoint is there, and again on the way; compared with a run that was left alone."""
    longer = [
        *options,
        "--epochs",
        50,
        "--set",
        "training.save_every=1000",
    ]  # more batches than an epoch has: after each
    assert here("train", *longer, "-o", tmp_path / "whole", "--json").exit_code == 0
    folder = tmp_path / "killed"
    first = kill_after(1, folder, *longer)
    second = kill_after(first + 4, folder, "--resume")
    assert 1 <= first < second < 50  # it was really stopped on its way

    resumed = warm.toolkit("train", "--resume", "-o", folder)
    assert resumed.returncode == 0, resumed.stderr
    epochs = [line.split("  ")[0] for line in resumed.stdout.splitlines() if line.startswith("epoch ")]
    assert epochs == [f"epoch {number}/50" for number in range(second + 1, 51)]
    for name in ("last.pth", "best.pth"):
        assert same_weights(folder / name, tmp_path / "whole" / name)
    histories = [json.loads((place / "history.json").read_text())["epochs"] for place in (folder, tmp_path / "whole")]
    for one, other in zip(*histories, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert {path.name for path in (tmp_path / "whole").iterdir()} <= {path.name for path in folder.iterdir()}


def test_a_finished_training_or_an_empty_folder_is_not_continued(trained: tuple[Path, str], tmp_path: Path) -> None:
    assert "is finished: it holds all of its 4 epochs" in refused(here("train", "--resume", "-o", trained[0]))
    message = refused(here("train", "--resume", "-o", tmp_path / "none"))
    assert (
        "holds no last.pth to continue from: it is written after the first whole epoch, and when a training is stopped. Start one "
        in message
    )


def test_a_damaged_checkpoint_is_not_continued(trained: tuple[Path, str], tmp_path: Path) -> None:
    content = (trained[0] / "last.pth").read_bytes()
    for changed in (content[: len(content) // 2], b"", b"noise" * 50):
        (tmp_path / "last.pth").write_bytes(changed)
        assert "last.pth" in refused(here("train", "--resume", "-o", tmp_path))


def test_settings_are_not_given_again_with_resume(trained: tuple[Path, str]) -> None:
    message = refused(here("train", "--resume", "-o", trained[0], "--epochs", 9, "--lr", 0.1))
    assert "--resume continues with the settings of the first run; leave out" in message
    assert "--epochs" in message
    assert "--lr" in message


# ---- export and check ----------------------------------------------------------------------------------------------------


def test_export_prints_the_stages_the_file_and_the_next_steps(exported: tuple[Path, str]) -> None:
    path, text = exported
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["trace", "simplify", "stamp", "verify"]
    assert f"wrote {path} (opset " in text
    assert "verified against torch at batch sizes 1, 2, 5" in text
    assert f"next: toolkit info {path}" in text
    assert f"toolkit predict {path} IMAGES" in text
    assert path.is_file()
    assert not [entry for entry in path.parent.iterdir() if entry.name.startswith(".")]


def test_export_prints_json_alone_when_asked(trained: tuple[Path, str], tmp_path: Path) -> None:
    done = here(
        "export", trained[0] / "best.pth", "-o", tmp_path / "a.onnx", "--outputs", "logits, embedding", "--simplifier", "none",
        "--opset", 18, "--json",
    )  # fmt: skip
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert [stage["name"] for stage in result["stages"]] == ["trace", "target", "stamp", "verify"]
    assert result["opset"] == 18
    assert result["path"] == str(tmp_path / "a.onnx")
    assert [entry["name"] for entry in result["card"]["outputs"]] == ["logits", "embedding"]
    assert done.stderr == ""


def test_a_fixed_batch_is_that_of_the_samples(trained: tuple[Path, str], tmp_path: Path) -> None:
    done = here(
        "export", trained[0] / "best.pth", "-o", tmp_path / "a.onnx", "--static", "--simplifier", "none", "--json"
    )
    assert done.exit_code == 0
    samples = len(Checkpoint.load(trained[0] / "best.pth").samples)
    assert json.loads(done.stdout)["parity"]["batch_sizes"] == [samples]


def test_what_cannot_be_exported_is_exit_code_2_and_leaves_the_old_file(
    trained: tuple[Path, str], tmp_path: Path
) -> None:
    (tmp_path / "a.onnx").write_bytes(b"old")
    (tmp_path / "noise.pth").write_bytes(b"noise")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    best = trained[0] / "best.pth"
    for arguments, words in (
        ([tmp_path / "missing.pth"], "does not exist"),
        ([tmp_path / "noise.pth"], "is cut short or is no file that can be exported"),
        ([tmp_path / "module.pth"], "holds pickled Python objects"),
        ([best, "--outputs", "probabilitys"], "There is no output 'probabilitys'"),
    ):
        assert words in refused(here("export", *arguments, "-o", tmp_path / "a.onnx"))
    assert (tmp_path / "a.onnx").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "module.pth", "noise.pth"]


def test_a_refused_export_is_exit_code_1_and_leaves_the_old_file(
    trained: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    pipeline = importlib.import_module("exporters.pipeline")
    whole = pipeline.plan

    def plan(settings: Any, subject: Any, simplifier: Any) -> Any:
        """The stages, the first of which changes a weight when its file is made."""

        def then_change(job: Any) -> Any:
            result = trace.run(job)
            with torch.no_grad():
                next(subject.module.parameters())[0] += 0.1
            return result

        trace, *others = whole(settings, subject, simplifier)
        return (replace(trace, run=then_change), *others)

    monkeypatch.setattr(pipeline, "plan", plan)
    (tmp_path / "a.onnx").write_bytes(b"old")
    message = refused(here("export", trained[0] / "best.pth", "-o", tmp_path / "a.onnx"), code=1)
    assert "The export was refused: The output 'probabilities' differs from torch by" in message
    assert message.endswith("; the file that was there before is unchanged.")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.onnx", b"old")]


def test_check_passes_on_the_checkpoint_of_the_file(
    exported: tuple[Path, str], trained: tuple[Path, str], warm: WarmProcesses
) -> None:
    done = warm.toolkit("check", exported[0], trained[0] / "best.pth")
    assert done.returncode == 0, done.stderr
    assert "worst absolute" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("the same: ")
    assert "batch size 1, batch size 2, batch size 5" in done.stdout
    result = json.loads(here("check", trained[0] / "best.pth", exported[0], "--json").stdout)
    assert {entry["first"] for entry in result["outputs"]} == {"probabilities", "embedding"}
    assert max(entry["absolute"] for entry in result["outputs"]) < 1e-5


def test_check_fails_with_exit_code_1_on_another_checkpoint(
    exported: tuple[Path, str], options: list[object], tmp_path: Path
) -> None:
    assert here("train", *options, "--seed", 8, "--epochs", 1, "-o", tmp_path, "--json").exit_code == 0
    assert " differs by " in refused(here("check", exported[0], tmp_path / "last.pth"), code=1)


def test_check_on_what_cannot_be_opened_is_exit_code_2(exported: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"noise")
    assert "is not an ONNX model" in refused(here("check", tmp_path / "noise.onnx", exported[0]))
    assert "Name what to compare it with" in refused(here("check", exported[0]))
    assert "between 0 and 1" in refused(here("check", exported[0], exported[0], "--min-agreement", 99))


# ---- info ----------------------------------------------------------------------------------------------------------------


def test_info_on_a_checkpoint_tells_data_labels_results_and_layers(
    trained: tuple[Path, str], pictures: Path, warm: WarmProcesses
) -> None:
    done = warm.toolkit("info", trained[0] / "last.pth")
    assert done.returncode == 0, done.stderr
    for words in (
        "checkpoint, ",
        ", after 4 epochs",
        "labels   0, 1, 2",
        f"27 examples of {pictures.parent.name}/{pictures.name}",
        "conv2d1",
        "total",
    ):
        assert words in done.stdout
    facts = json.loads(here("info", trained[0] / "last.pth", "--json").stdout)
    assert facts["kind"] == "checkpoint"
    assert facts["epoch"] == 4
    assert facts["network"]["parameters"] == (9 * 4 + 4) + (4 * 36 * 3 + 3)


def test_info_and_check_agree_with_predictions_of_the_file(exported: tuple[Path, str], pictures: Path) -> None:
    facts = json.loads(here("info", exported[0], "--json").stdout)
    assert facts["card"]["labels"] == ["0", "1", "2"]
    found = json.loads(here("predict", exported[0], pictures / "1", "--json", "--device", "cpu").stdout)
    assert len(found["predictions"]) == 12
    assert np.isclose(sum(entry["probability"] for entry in found["predictions"][0]["top"]), 1, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"noise" * 100, b"PK\x03\x04" + bytes(200)])
def test_info_on_a_file_that_is_no_checkpoint_is_exit_code_2(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    assert "a.pth" in refused(here("info", tmp_path / "a.pth"))
    assert "does not exist" in refused(here("info", tmp_path / "missing.pth"))
