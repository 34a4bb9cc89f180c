"""The commands that need no torch, on real files: text, JSON, CSV and exit codes."""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import helper
from PIL import Image

import runtime.session
import runtime.session.doctor
from cli import main
from runtime.card import CARD_KEY, ImageInput, ModelCard, OutputCard
from runtime.session.providers import Device, Unavailable
from runtime.similarity import MEASURES

TOOLKIT = Path(sys.executable).with_name("toolkit")


def run(*arguments: object, code: int = 0) -> Result:
    """The command in this process. Anything but an exit with `code` fails."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def refused(*arguments: object) -> str:
    """The one paragraph of a command that exits with 2 and prints nothing else."""
    result = run(*arguments, code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [TOOLKIT, *map(str, arguments)], capture_output=True, check=False, env={**os.environ, **environment}
    )


@pytest.fixture
def one(digit_files: Path) -> Path:
    return digit_files / "6" / "0.png"


@pytest.fixture(scope="module")
def index(digit_model: Path, digit_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "index"
    run("embed", digit_model, digit_files, "-o", folder)
    return folder


# ---- info -------------------------------------------------------------------------------------------------------------


def test_info_tells_of_a_file_with_and_without_a_card(digit_model: Path, plain_model: Path) -> None:
    assert "task     classification" in run("info", digit_model).stdout
    assert "no card: made elsewhere" in run("info", plain_model).stdout
    facts = json.loads(run("info", digit_model, "--json").stdout)
    assert (facts["kind"], facts["path"]) == ("onnx", str(digit_model))
    assert ModelCard.from_dict(facts["card"]) == runtime.load(digit_model, "cpu").card
    assert json.loads(run("info", plain_model, "--json").stdout)["card"] is None


def test_info_tells_of_a_checkpoint(digit_model: Path) -> None:
    checkpoint = digit_model.with_name("best.pth")
    assert "conv2d" in run("info", checkpoint).stdout
    assert json.loads(run("info", checkpoint, "--json").stdout)["card"]["task"] == "classification"


@pytest.mark.parametrize("content", [None, b"", b"hello"])
def test_info_on_what_is_no_model_exits_with_2(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    assert str(path) in refused("info", path)
    assert str(tmp_path) in refused("info", tmp_path)


# ---- predict ----------------------------------------------------------------------------------------------------------


def test_predict_prints_the_same_results_as_text_json_and_csv(digit_model: Path, digit_files: Path) -> None:
    text = run("predict", digit_model, digit_files / "6").stdout.splitlines()
    facts = json.loads(run("predict", digit_model, digit_files / "6", "--json").stdout)
    rows = list(csv.DictReader(io.StringIO(run("predict", digit_model, digit_files / "6", "--csv").stdout)))
    assert (len(text), len(rows), facts["failures"]) == (12, 10, [])
    assert (facts["model"], facts["device"]) == (str(digit_model), "cpu")
    for line, entry, row in zip(text[2:], facts["predictions"], rows, strict=True):
        assert line.split()[:2] == [entry["source"], entry["label"]] == [row["input"], row["label"]]
        assert float(row["probability"]) == entry["probability"]
        assert len(entry["top"]) == 5
        assert row["label_5"] == entry["top"][4]["label"]


def test_predict_lists_as_many_classes_as_asked_for(digit_model: Path, one: Path) -> None:
    assert len(json.loads(run("predict", digit_model, one, "--json", "--top", 2).stdout)["predictions"][0]["top"]) == 2
    header = run("predict", digit_model, one, "--csv", "--top", 1).stdout.splitlines()[0]
    assert header == "input,label,probability"
    assert "0 is not in the range" in run("predict", digit_model, one, "--top", 0, code=2).stderr


@pytest.mark.parametrize("options", [(), ("--json",), ("--csv",)])
def test_of_100_pictures_with_3_broken_97_are_printed_the_3_named_and_the_exit_code_is_2(
    digit_model: Path, broken_files: Path, options: tuple[str, ...]
) -> None:
    done = process("predict", digit_model, broken_files, *options)
    assert done.returncode == 2
    errors = done.stderr.decode().splitlines()
    assert errors[0] == "Error: 3 of 100 inputs could not be read:"
    assert [line.split(" cannot be read")[0].strip() for line in errors[1:]] == [
        str(broken_files / f"{number}.png") for number in (20, 50, 80)
    ]
    if options == ("--json",):
        facts = json.loads(done.stdout)
        sources = [Path(entry["source"]) for entry in facts["predictions"]]
        assert [failure["source"] for failure in facts["failures"]] == [
            str(broken_files / f"{number}.png") for number in (20, 50, 80)
        ]
    else:
        lines = done.stdout.decode().splitlines()[1 if options else 2 :]
        sources = [Path(line.split("," if options else "  ")[0]) for line in lines]
    assert [int(source.stem) for source in sources] == [n for n in range(100) if n not in (20, 50, 80)]


def test_predict_reads_tables(table_model: Path, table_file: Path, value_model: Path, value_file: Path) -> None:
    facts = json.loads(run("predict", table_model, table_file, "--json").stdout)
    assert [entry["label"] for entry in facts["predictions"]] == ["left"] * 20 + ["right"] * 20
    rows = list(csv.reader(io.StringIO(run("predict", value_model, value_file, "--csv").stdout)))
    expected = [result.value for result in runtime.load(value_model, "cpu").predict(value_file)]
    assert rows[0] == ["input", "value"]
    assert [float(value) for _, value in rows[1:]] == expected


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["missing.png"], "missing.png does not exist"),
        (["."], "holds no picture"),
    ],
)
def test_predict_refuses_paths_that_hold_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, digit_model: Path, paths: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refused("predict", digit_model, *paths)


def test_predict_draws_pictures_with_their_predictions(
    digit_model: Path, broken_files: Path, one: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.png"
    assert run("predict", digit_model, one, "--picture", page).stdout.endswith(f"wrote {page}\n")
    with Image.open(page) as drawn:
        assert drawn.size == (12 + 236, 12 + 270)
        assert len(drawn.getcolors(1 << 16) or []) > 10
    page.unlink()
    facts = json.loads(run("predict", digit_model, broken_files, "--json", "--picture", page, code=2).stdout)
    assert len(facts["predictions"]) == 97
    with Image.open(page) as drawn:
        assert drawn.size == (12 + 4 * 236, 12 + 25 * 270)  # those that cannot be read are left out


def test_predict_draws_no_more_than_a_page_holds_and_says_so(
    monkeypatch: pytest.MonkeyPatch, digit_model: Path, digit_files: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("runtime.prediction_picture.MOST_DRAWN", 7)
    page = tmp_path / "page.png"
    text = run("predict", digit_model, digit_files, "--picture", page).stdout
    assert text.endswith(f"wrote {page} (the first 7 of 100)\n")


def test_predictions_of_no_pictures_are_not_drawn(table_model: Path, table_file: Path, tmp_path: Path) -> None:
    words = refused("predict", table_model, table_file, "--picture", tmp_path / "page.png")
    assert "the inputs given are none (the model takes: table). Leave --picture out" in words
    assert not (tmp_path / "page.png").exists()


def test_predict_refuses_what_does_not_go_together(
    digit_model: Path, plain_model: Path, table_model: Path, value_file: Path, one: Path, tmp_path: Path
) -> None:
    assert "--csv and --json were both given" in refused("predict", digit_model, one, "--csv", "--json")
    assert "takes plain arrays, not files" in refused("predict", plain_model, one)
    assert "lacks the columns x, y" in refused("predict", table_model, value_file)
    assert "is a folder" in refused("predict", table_model, tmp_path)
    assert "does not exist" in refused("predict", tmp_path / "missing.onnx", one)
    assert "Missing argument" in run("predict", digit_model, code=2).stderr
    result = run("predict", digit_model, value_file, code=2)
    assert result.stdout == "nothing could be predicted\n"
    assert "in no picture format that is read here" in result.stderr


# ---- embed and search -------------------------------------------------------------------------------------------------


def test_embed_makes_an_index_and_adds_to_it(digit_model: Path, digit_files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    text = run("embed", digit_model, digit_files / "1", "-o", folder, "--metric", "dot", "--dtype", "float16").stdout
    assert text.startswith(f"10 pictures embedded into {folder}: 10 vectors of 16 numbers, dot\n")
    assert f"next: toolkit search {folder} PICTURE" in text
    facts = json.loads(run("embed", digit_model, digit_files / "2", "-o", folder, "--json").stdout)
    assert facts == {"added": 10, "total": 20, "dim": 16, "metric": "dot", "failures": []}
    assert "metric" in refused("embed", digit_model, digit_files / "2", "-o", folder, "--metric", "cosine")


def test_embed_names_broken_pictures_keeps_the_others_and_exits_with_2(
    digit_model: Path, broken_files: Path, tmp_path: Path
) -> None:
    result = run("embed", digit_model, broken_files, "-o", tmp_path / "index", "--json", code=2)
    facts = json.loads(result.stdout)
    assert (facts["added"], len(facts["failures"])) == (97, 3)
    assert result.stderr.startswith("Error: 3 of 100 inputs could not be read:\n")


def test_embed_refuses_models_and_places_that_do_not_fit(
    digit_model: Path, plain_model: Path, table_model: Path, index: Path, one: Path, tmp_path: Path,
    colour_model: Callable[..., Path],
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("text")
    assert "has no model card" in refused("embed", plain_model, one, "-o", tmp_path / "new")
    assert "does not take pictures" in refused("embed", table_model, one, "-o", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert str(tmp_path / "file") in refused("embed", digit_model, one, "-o", tmp_path / "file")
    assert str(index) in refused("embed", colour_model(), one, "-o", index)
    assert "Missing option" in run("embed", digit_model, one, code=2).stderr


def test_search_finds_the_picture_itself_first(index: Path, one: Path, digit_files: Path) -> None:
    lines = run("search", index, one, "-k", 3).stdout.splitlines()
    assert lines[0] == str(one)
    assert lines[3].split() == ["1", "1.0000", one.as_posix()]
    assert len(lines) == 6
    (entry,) = json.loads(run("search", index, one, "-k", 3, "--json").stdout)
    assert entry["query"] == str(one)
    assert [neighbour["id"] for neighbour in entry["neighbours"]] == [line.split()[2] for line in lines[3:]]
    assert len(json.loads(run("search", index, digit_files / "0", "--json").stdout)) == 10


def test_search_says_what_was_damaged_and_answers_rightly(index: Path, one: Path, tmp_path: Path) -> None:
    expected = json.loads(run("search", index, one, "--json").stdout)
    for form in ("text", "json"):
        shutil.copytree(index, tmp_path / form)
        with open(tmp_path / form / "matrix.f32", "r+b") as file:
            file.seek(4096 + 64 + 3)
            bits = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([bits ^ 0x40]))
    result = run("search", tmp_path / "json", one, "--json")
    found = json.loads(result.stdout)
    assert [entry.pop("warnings") for entry in found] == [[f"{tmp_path / 'json' / 'matrix.f32'} was damaged; its vectors "
        "were read from index.sqlite again, and answers are right. Look after the disk that it lies on."]]  # fmt: skip
    assert found == expected
    assert run("search", tmp_path / "text", one).stderr.startswith("note: ")
    assert run("search", tmp_path / "text", one).stderr == ""


def test_search_keeps_to_the_conditions_and_draws(index: Path, one: Path, tmp_path: Path) -> None:
    options = ["--where", "folder=1", "--where", "folder=2", "-k", 30, "--picture", tmp_path / "found.png"]
    result = run("search", index, one, *options, "--json")
    (entry,) = json.loads(result.stdout)
    assert {Path(neighbour["id"]).parent.name for neighbour in entry["neighbours"]} == {"1", "2"}
    assert len(entry["neighbours"]) == 20
    assert run("search", index, one, *options).stdout.endswith(f"wrote {tmp_path / 'found.png'}\n")
    with Image.open(tmp_path / "found.png") as page:
        assert page.width > 20 * 128


def test_search_refuses_what_it_cannot_search(
    index: Path, one: Path, tmp_path: Path, colour_model: Callable[..., Path], plain_model: Path
) -> None:
    assert str(tmp_path / "missing") in refused("search", tmp_path / "missing", one)
    assert not (tmp_path / "missing").exists()
    assert "does not exist" in refused("search", index, tmp_path / "missing.png")
    assert "field=value is expected" in refused("search", index, one, "--where", "folder")
    assert "was made by another model" in refused("search", index, one, "--model", colour_model())
    assert "has no model card" in refused("search", index, one, "--model", plain_model)
    assert "0 is not in the range" in run("search", index, one, "-k", 0, code=2).stderr


def test_search_without_a_model_says_how_to_name_one(index: Path, one: Path, tmp_path: Path) -> None:
    with runtime.index.open(tmp_path / "bare", dim=16) as bare:
        bare.add(["a"], np.ones((1, 16), np.float32))
    assert "does not say which model made it. Name it with --model" in refused("search", tmp_path / "bare", one)


# ---- similarity -------------------------------------------------------------------------------------------------------


def test_similarity_compares_two_pictures_by_every_measure(digit_model: Path, one: Path, digit_files: Path) -> None:
    same = json.loads(run("similarity", one, one, "--model", digit_model, "--json").stdout)
    assert same["cosine"] == pytest.approx(1)
    assert same["euclidean"] == same["manhattan"] == same["chebyshev"] == 0
    other = json.loads(run("similarity", one, digit_files / "1" / "0.png", "--model", digit_model, "--json").stdout)
    assert other["cosine"] < same["cosine"]
    lines = run("similarity", one, one, "--model", digit_model).stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(MEASURES)


def test_similarity_to_a_zero_embedding_is_undefined_where_it_is(
    colour_model: Callable[..., Path], tmp_path: Path
) -> None:
    for name, value in (("black", 0), ("white", 255)):
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / f"{name}.png")
    pair = (tmp_path / "black.png", tmp_path / "white.png", "--model", colour_model())
    facts = json.loads(run("similarity", *pair, "--json").stdout)
    assert (facts["cosine"], facts["pearson"], facts["manhattan"]) == (None, None, pytest.approx(3))
    assert "cosine     undefined" in run("similarity", *pair).stdout


def test_similarity_refuses_folders_of_many_and_models_without_embedding(
    digit_model: Path, plain_model: Path, digit_files: Path, one: Path
) -> None:
    assert "hold 11 pictures; two are compared" in refused("similarity", digit_files / "1", one, "--model", digit_model)
    assert "does not exist" in refused("similarity", one, "missing.png", "--model", digit_model)
    said = refused("similarity", one, one, "--model", plain_model)
    assert "has no model card" in said and "its outputs are double, total" in said
    assert "export" not in said  # the file came from elsewhere


def test_what_is_embedded_may_be_another_output_of_the_model(
    colour_model: Callable[..., Path], digit_files: Path, one: Path, tmp_path: Path
) -> None:
    """Where the card names no embedding, the error names the option that chooses an output."""
    entry = ImageInput("picture", "RGB", (8, 8), resize=(8, 8))
    card = ModelCard("raw", (entry,), (OutputCard("probabilities", "raw"), OutputCard("embedding", "raw")))
    model = tmp_path / "unnamed.onnx"
    graph = onnx.load(colour_model())
    helper.set_model_props(graph, {CARD_KEY: card.to_json()})
    onnx.save(graph, model)
    commands = (["similarity", one, one, "--model", model], ["embed", model, one, "-o", tmp_path / "index"])
    for command in commands:
        assert "choose one with --embedding NAME (output=... in Python)" in refused(*command)
        assert "Did you mean 'embedding'" in refused(*command, "--embedding", "embeding")
        run(*command, "--embedding", "probabilities")
    run(*commands[0], "--output", "embedding")
    run("embed", model, digit_files / "1", "-o", tmp_path / "index", "--embedding", "probabilities")
    (entry,) = json.loads(run("search", tmp_path / "index", one, "-k", 1, "--json").stdout)
    assert entry["neighbours"][0]["id"] == one.as_posix()
    for option in ("--embedding", "--output"):
        run("search", tmp_path / "index", one, option, "probabilities")
        said = refused("search", tmp_path / "index", one, option, "embedding")
        assert "made of the output 'probabilities' of this model" in said and "--embedding probabilities" in said


# ---- bench and doctor -------------------------------------------------------------------------------------------------


def test_bench_measures_each_batch_size(plain_model: Path) -> None:
    lines = run("bench", plain_model, "--batch", "2,1", "--seconds", 0.01, "--threads", 1).stdout.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["2", "1"]
    assert lines[4] == "running on cpu"
    facts = json.loads(run("bench", plain_model, "--batch", "2", "--seconds", 0.01, "--json").stdout)
    assert [timing["batch_size"] for timing in facts["timings"]] == [2]
    assert facts["timings"][0]["runs"] >= 1
    assert lines[0].endswith("peak memory") and lines[2].endswith("B")
    assert 2**24 < facts["timings"][0]["peak_memory"] < 2**40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--batch", "a"], "whole numbers separated by commas"),
        (["--batch", ""], "whole numbers separated by commas"),
        (["--batch", "0"], "numbers above 0 are expected"),
        (["--seconds", "0"], "numbers above 0 are expected"),
        (["--threads", "0"], "at least 1 is expected"),
        (["--length", "length"], "such as length=100"),
        (["--length", "=3"], "such as length=100"),
        (["--length", "axis=3"], "has no free axis 'axis'"),
        (["--batch", "9" * 14], "does not fit into memory"),
        (["--device", "gpu"], "The device 'gpu' is not known"),
    ],
)
def test_bench_refuses_senseless_options(plain_model: Path, options: list[str], words: str) -> None:
    assert words in refused("bench", plain_model, *options)


def test_doctor_exits_with_0_when_all_is_well_and_with_1_when_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cuda_obstacle", "tensorrt_obstacle"):
        monkeypatch.setattr(runtime.session.doctor, name, lambda _index: Unavailable("no driver.", "Install it."))
    wheels = {"onnxruntime-gpu"}

    def version(package: str) -> str:
        if package.startswith("onnxruntime") and package not in wheels:
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    lines = run("doctor").stdout.splitlines()
    assert "ok  device cuda      not available: no driver." in lines
    assert "device cuda: Install it." in lines
    wheels.add("onnxruntime")
    assert "!!  wheels" in run("doctor", code=1).stdout
    findings = json.loads(run("doctor", "--json", code=1).stdout)
    assert [finding["subject"] for finding in findings if not finding["well"]] == ["wheels"]


def test_doctor_looks_at_this_machine() -> None:
    done = process("doctor", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert findings["device cpu"]["state"] == "ready"
    assert done.returncode == (0 if all(finding["well"] for finding in findings.values()) else 1)


# ---- devices ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    obstacle = Unavailable("the library libX.so is missing.", "Install it.")
    device = Device("cuda", "cpu", obstacle)
    monkeypatch.setattr(runtime.session.session, "plan", lambda _asked: ([("CPUExecutionProvider", {})], device))


@pytest.mark.usefixtures("no_gpu")
def test_another_device_than_asked_for_is_noted_beside_the_results(digit_model: Path, one: Path) -> None:
    result = run("predict", digit_model, one, "--device", "cuda", "--json")
    assert json.loads(result.stdout)["device"] == "cpu"
    assert result.stderr == "note: cuda was asked for, but cpu runs: the library libX.so is missing. Install it.\n"


@pytest.mark.usefixtures("no_gpu")
def test_a_required_device_that_cannot_run_exits_with_2(
    digit_model: Path, one: Path, tmp_path: Path, index: Path
) -> None:
    required = ["--device", "cuda", "--require-device"]
    for arguments in (
        ["predict", digit_model, one],
        ["embed", digit_model, one, "-o", tmp_path / "index"],
        ["search", index, one],
        ["similarity", one, one, "--model", digit_model],
        ["bench", digit_model],
    ):
        assert "'cuda' was required, but only cpu could run" in refused(*arguments, *required)
    assert not (tmp_path / "index").exists()


# ---- the outside world ------------------------------------------------------------------------------------------------


def test_the_installed_command_runs_and_tells_its_version() -> None:
    done = process("--version")
    assert done.returncode == 0
    assert done.stdout.decode().split() == ["toolkit,", "version", importlib.metadata.version("onnx-edge-toolkit")]
    assert process("predikt").returncode == 2


@pytest.mark.parametrize("encoding", ["utf-8:strict", "cp1252:strict"])
def test_any_file_name_and_any_output_encoding_can_be_printed(
    digit_model: Path, one: Path, tmp_path: Path, encoding: str
) -> None:
    name = os.fsdecode(b"caf\xe9 \xe4\xb8\xad.png")  # neither one encoding nor the other
    (tmp_path / name).write_bytes(one.read_bytes())
    for options in ((), ("--csv",), ("--json",)):
        done = process("predict", digit_model, tmp_path / name, *options, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, b"")
    facts = json.loads(done.stdout.decode(encoding.partition(":")[0]))
    assert facts["predictions"][0]["source"] == str(tmp_path / name)
    assert process("predict", digit_model, name + "x", PYTHONIOENCODING=encoding).returncode == 2


def test_progress_is_shown_on_a_terminal_and_stays_out_of_the_results(digit_model: Path, digit_files: Path) -> None:
    terminal, end = os.openpty()
    command = [TOOLKIT, "predict", digit_model, digit_files / "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=end) as started:
        os.close(end)
        shown = b""
        with open(terminal, "rb", buffering=0) as file, contextlib.suppress(OSError):  # raised where the terminal ends
            while part := file.read(1024):
                shown += part
        assert len(json.loads(started.stdout.read())["predictions"]) == 10
    assert b"predicting" in shown
    assert b"100%" in shown


def test_a_reader_that_leaves_early_is_no_traceback(digit_model: Path, digit_files: Path) -> None:
    done = subprocess.run(
        f"'{TOOLKIT}' predict '{digit_model}' '{digit_files}' --csv | head -c 1",
        shell=True,
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"i", b"")
