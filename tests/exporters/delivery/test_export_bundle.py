"""A bundle runs where there is no toolkit, and its check tells when it does not run the same."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from exporters.delivery.bundle import write_bundle
from exporters.delivery.run_script import run_script
from exporters.delivery.sample import make_sample
from exporters.inputs.image import pixels_of
from exporters.pipeline import export
from exporters.report import Report
from exporters.settings import ExportSettings
from exporters.subject.assembly import make_subject
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import References
from runtime.card import ArrayInput, ImageInput, ModelCard, OutputCard, SequenceInput, TableInput, TextInput
from runtime.errors import InputError
from runtime.preprocess.inputs import prepare

FILES = ["README.md", "card.json", "check.py", "check.sh", "model.onnx", "requirements.txt", "run.py", "sample"]
TEXT = TextInput("text", ("<pad>", "?", "good", "bad", "day", "!"), 6, "word", 0, 1, lowercase=True, strip_accents=True)


def references_of(source: Any, **settings: Any) -> References:
    subject = make_subject(source, **settings)
    return References(subject, make_probes(subject))


@pytest.fixture(scope="module")
def bundle(exported: tuple[Report, list[str]], checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "digits"
    return write_bundle(exported[0], folder, references_of(checkpoint))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that has NumPy, Pillow and onnxruntime, and nothing else."""
    site = tmp_path_factory.mktemp("site")
    for name in ("numpy", "PIL", "onnxruntime"):
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        home = Path(spec.origin).parent
        for folder in (home, *home.parent.glob(f"{home.name}.libs"), *home.parent.glob("pillow.libs")):
            if not (site / folder.name).exists():
                (site / folder.name).symlink_to(folder, target_is_directory=True)
    return {**os.environ, "PYTHONPATH": str(site)}


def run(script: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script without the packages that are installed here."""
    command = [sys.executable, "-S", str(script), *arguments]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


def test_a_bundle_runs_where_there_is_no_toolkit(bundle: Path, elsewhere: dict[str, str]) -> None:
    assert sorted(path.name for path in bundle.iterdir()) == FILES
    none = subprocess.run(
        [sys.executable, "-S", "-c", "import torch"], env=elsewhere, cwd="/", capture_output=True, check=False
    )
    assert none.returncode != 0
    checked = run(bundle / "check.py", elsewhere)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": ok") == 3
    ran = run(bundle / "run.py", elsewhere)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[0].endswith("picture.png")
    assert "%" in ran.stdout.splitlines()[1]


def test_check_sh_runs_the_check(bundle: Path, elsewhere: dict[str, str]) -> None:
    assert os.access(bundle / "check.sh", os.X_OK)
    found = subprocess.run(
        ["sh", str(bundle / "check.sh")], env={**os.environ, "PYTHON": sys.executable}, capture_output=True, check=False
    )
    assert found.returncode == 0


def test_the_check_tells_another_model(bundle: Path, elsewhere: dict[str, str], tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    subprocess.run(["cp", "-r", str(bundle), str(copy)], check=True)
    with np.load(copy / "sample" / "expected.npz") as arrays:
        expected = {name: arrays[name] for name in arrays.files}
    expected["probabilities"] = expected["probabilities"] + 0.01
    np.savez(copy / "sample" / "expected.npz", **expected)
    checked = run(copy / "check.py", elsewhere)
    assert checked.returncode == 1
    assert "output probabilities: worst difference 0.01" in checked.stdout
    assert checked.stdout.count("WRONG") == 1


def test_the_card_and_the_requirements_are_those_of_the_file(bundle: Path, exported: Any) -> None:
    card = ModelCard.from_json((bundle / "card.json").read_text(encoding="utf-8"))
    assert card == ModelCard.from_json(exported[0].card.to_json())
    lines = (bundle / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["numpy", "pillow>=9.1"]
    assert lines[2].startswith("onnxruntime>=1.")


def test_an_earlier_bundle_is_replaced_and_a_strangers_folder_is_not(
    exported: tuple[Report, list[str]], checkpoint: Path, tmp_path: Path
) -> None:
    references, folder = references_of(checkpoint), tmp_path / "here"
    write_bundle(exported[0], folder, references)
    (folder / "README.md").write_text("old", encoding="utf-8")
    write_bundle(exported[0], folder, references)
    assert (folder / "README.md").read_text(encoding="utf-8") != "old"
    strange = tmp_path / "mine"
    strange.mkdir()
    (strange / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"holds something else: it has no check.py"):
        write_bundle(exported[0], strange, references)
    with pytest.raises(InputError, match="is a file"):
        write_bundle(exported[0], strange / "thesis.txt", references)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert (strange / "thesis.txt").read_text(encoding="utf-8") == "mine"


class Steps(torch.nn.Module):
    """(N, L, F) -> (N, 2), or tokens (N, L) -> (N, 2)."""

    def __init__(self, width: int, tokens: int = 0) -> None:
        super().__init__()
        self.look_up = torch.nn.Embedding(tokens, width) if tokens else torch.nn.Identity()
        self.out = torch.nn.Linear(width, 2)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.out(self.look_up(steps).mean(1))
        return result


# module, example, card of the input, task, what run.py prints of the sample
KINDS = {
    "table": (torch.nn.Linear(3, 2), torch.randn(4, 3), TableInput("t", ("a", "b", "c"), (1, 2, 3), (2, 2, 4)), "regression", "x "),
    "text": (Steps(4, 6), torch.randint(2, 6, (4, 6)), TEXT, "classification", "%"),
    "sequence": (Steps(3), torch.randn(4, 5, 3), SequenceInput("s", 3, 5, (1.0, 2.0, 3.0), (2.0, 1.0, 1.0)), "classification", "%"),
    "array": (torch.nn.Linear(3, 2), torch.randn(4, 3), ArrayInput("file", (3,)), "classification", "%"),
    "multilabel": (torch.nn.Linear(3, 2), torch.ones(4, 3), TableInput("t", ("a", "b", "c")), "multilabel", ""),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_comes_with_a_sample(kind: str, elsewhere: dict[str, str], tmp_path: Path) -> None:
    module, example, entry, task, printed = KINDS[kind]
    settings: dict[str, Any] = {"task": task, "inputs": (entry,), "labels": ("x", "y"), "simplifier": "none"}
    folder = tmp_path / "bundle"
    export(module, tmp_path / "model.onnx", example=example, bundle=folder, **settings)
    checked = run(folder / "check.py", elsewhere)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    ran = run(folder / "run.py", elsewhere)
    assert ran.returncode == 0, ran.stderr
    assert printed in ran.stdout


@pytest.mark.slow
def test_a_file_of_a_fixed_batch_is_filled_up(checkpoint: Path, elsewhere: dict[str, str], tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "model.onnx", dynamic=(), simplifier="none")
    references = references_of(checkpoint, settings=ExportSettings(dynamic=()))
    folder = write_bundle(report, tmp_path / "bundle", references)
    picture = str(folder / "sample" / "picture.png")
    ran = run(folder / "run.py", elsewhere, picture, picture)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 4
    assert run(folder / "check.py", elsewhere).returncode == 0


def functions_of(card: ModelCard, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What run.py of a card defines, with an onnxruntime that opens anything."""
    (folder / "card.json").write_text(json.dumps(card.to_dict()), encoding="utf-8")
    fake = types.ModuleType("onnxruntime")
    fake.InferenceSession = lambda *_args, **_kwargs: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    names: dict[str, Any] = {"__file__": str(folder / "run.py"), "__name__": "run"}
    exec(compile(run_script(card, "sample/x"), "run.py", "exec"), names)
    return names


PICTURES = [
    ImageInput("p", "RGB", (9, 7), resize=(9, 7), filter="bicubic", mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)),
    ImageInput("p", "grayscale", (8, 8), resize=10, crop=(8, 8), scale=1.0, layout="NHWC"),
    ImageInput("p", "RGB", (40, 40), resize=12, crop=(40, 40), filter="lanczos", orientation="stored"),
    ImageInput("p", "RGB", (12, 20), resize=(12, 20), filter="nearest", std=(1.0, 1.0, 1.0), mean=(0.5, 0.5, 0.5)),
]


@pytest.mark.parametrize("entry", PICTURES, ids=["stretch", "grey-crop", "crop-larger", "nearest"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "LA", "1", "upright"])
def test_run_py_prepares_pictures_as_the_runtime_does(
    entry: ImageInput, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (23, 17, 4), np.uint8)
    picture = Image.fromarray(pixels, "RGBA") if mode == "RGBA" else Image.fromarray(pixels).convert("RGB")
    exif = Image.Exif()
    if mode == "upright":
        exif[0x0112] = 6
    elif mode != "RGBA":
        picture = picture.convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", exif=exif)
    (tmp_path / "picture.png").write_bytes(buffer.getvalue())
    card = ModelCard("classification", (entry,), (OutputCard("y", "logits"),))
    found = functions_of(card, tmp_path, monkeypatch)["prepare"](tmp_path / "picture.png")["p"]
    expected, _ = prepare(tmp_path / "picture.png", entry)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("level", ["word", "character"])
def test_run_py_reads_texts_as_the_runtime_does(level: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = TextInput("t", ("<pad>", "?", "good", "d", "a", "y", "!"), 5, level, 0, 1, True, "NFKC", True)
    (tmp_path / "lines.txt").write_text("Góod day!\n\n  d a y ｄ, y! y\nx\n", encoding="utf-8")
    card = ModelCard("classification", (entry,), (OutputCard("y", "logits"),))
    found = functions_of(card, tmp_path, monkeypatch)["prepare"](tmp_path / "lines.txt")["t"]
    expected, _ = prepare(tmp_path / "lines.txt", entry)
    np.testing.assert_array_equal(found, expected)


CARDS = [
    *((entry, "classification", "logits") for entry in PICTURES),
    (TEXT, "classification", "probabilities"),
    (TextInput("t", ("<pad>", "?", "a"), 5, "character", 0, 1), "multilabel", "probabilities"),
    (SequenceInput("s", 3, 5, (1.0,) * 3, (2.0,) * 3), "regression", "values"),
    (TableInput("t", ("a", "b")), "regression", "values"),
    (ArrayInput("x", (3,)), "raw", "raw"),
    (ArrayInput("x", (3,)), "embedding", "embedding"),
]


@pytest.mark.parametrize("fixed", [None, 4])
@pytest.mark.parametrize(("entry", "task", "role"), CARDS)
def test_the_scripts_are_of_python_3_8(
    entry: Any, task: str, role: str, fixed: int | None, bundle: Path, tmp_path: Path
) -> None:
    """Boards keep the Python that they came with."""
    script = run_script(ModelCard(task, (entry,), (OutputCard("y", role),), ("a", "b")), "sample/x", fixed)
    check = (bundle / "check.py").read_text(encoding="utf-8")
    for name, source in (("run.py", script), ("check.py", check)):
        ast.parse(source, feature_version=(3, 8))
        (tmp_path / name).write_text(source, encoding="utf-8")
    # what came to NumPy and to Python behind 1.21 and 3.8
    assert not re.search(
        r"np\.(astype|concat|strings|exceptions|dtypes|bool)\b|strict=|removeprefix|removesuffix", script + check
    )
    pytest.importorskip("vermin")
    command = [sys.executable, "-c", "import vermin; vermin.main()", "-t=3.8-", "--no-tips", "--violations"]
    ran = subprocess.run([*command, "run.py", "check.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_logits_are_told_as_probabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = ModelCard("classification", (PICTURES[0],), (OutputCard("y", "logits"),), ("cat", "dog"))
    describe = functions_of(card, tmp_path, monkeypatch)["describe"]
    assert describe({"y": np.array([[0.0, np.log(3)]])}, 0) == "dog 75.00%, cat 25.00%"


def test_a_sample_is_a_picture_that_prepares_to_its_row(checkpoint: Path) -> None:
    references = references_of(checkpoint)
    sample, entry = make_sample(references), references.subject.card.inputs[0]
    assert isinstance(entry, ImageInput)
    rows, _ = prepare(sample.content, entry)
    np.testing.assert_array_equal(rows, sample.feeds["input"])
    np.testing.assert_allclose(rows[0], references.subject.samples[0][0].numpy(), atol=1 / 255)
    assert pixels_of(rows[0], entry).shape == (8, 8, 1)
