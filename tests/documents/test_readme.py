"""Every snippet in README and docs runs, in the order of the page."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from warm_processes import TOOLKIT, WarmProcesses

from toolkit.data.augmentation.transforms import parse_transform
from toolkit.training.loop.callbacks import Callbacks

ROOT = Path(__file__).resolve().parents[2]


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language in a page."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def workplace(demo: tuple[Path, dict], tmp_path: Path) -> Path:
    """A folder in which the demo was run, as README's first command leaves it."""
    shutil.copytree(demo[0], tmp_path / "demo")
    return tmp_path


def succeeds(done: subprocess.CompletedProcess[str]) -> str:
    """What a process printed, after checking that it printed something and ended well."""
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip(), done.args
    return done.stdout


@pytest.mark.slow
def test_readme_commands_then_readme_python(workplace: Path) -> None:
    commands = [
        line for block in blocks("README.md", "sh") for line in block.splitlines() if line.startswith("toolkit ")
    ]
    assert len(commands) >= 11
    for line in commands:
        output = run([str(TOOLKIT), *shlex.split(line)[1:]], workplace)
        assert output.strip(), line
    script = workplace / "readme.py"
    script.write_text("\n".join(blocks("README.md", "python")), encoding="utf-8")
    output = run([sys.executable, "-W", "error::UserWarning", str(script)], workplace)
    assert "epoch 10/10" in output
    assert (workplace / "python.onnx").is_file()
    assert (workplace / "module.onnx").is_file()


def test_snippets_for_those_who_know_basenn(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    centres = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
    rows = [[*(centre + random.normal(0, 0.25, 4)), label] for label, centre in enumerate(centres) for _ in range(40)]
    lines = ["sepal_length,sepal_width,petal_length,petal_width,species"]
    lines += [",".join(f"{value:.2f}" for value in row[:4]) + f",{row[4]}" for row in rows]
    (tmp_path / "iris.csv").write_text("\n".join(lines) + "\n")
    script = tmp_path / "basenn.py"
    check = "assert model.inference('iris.csv', label=True).shape == (120, 3)"
    first, *others = blocks("docs/basenn.md", "python")
    script.write_text("\n".join([first, check, *others]), encoding="utf-8")
    output = run([sys.executable, str(script)], tmp_path)
    assert "'预测值': 0" in output
    assert (tmp_path / "iris.onnx").is_file()
    assert (tmp_path / "diffusion_ckpt" / "generated.png").is_file()
    assert (tmp_path / "diffusion_ckpt" / "noisy.png").is_file()


@pytest.mark.slow
def test_training_page_from_the_toml_to_the_reproduced_run(workplace: Path, warm: WarmProcesses) -> None:
    digits, texts = blocks("docs/training.md", "toml")
    (workplace / "digits.toml").write_text(digits, encoding="utf-8")
    (workplace / "names.toml").write_text(texts, encoding="utf-8")
    (workplace / "names").mkdir()
    for language, ending in (("Italian", "ini"), ("Japanese", "moto"), ("Russian", "ovich")):
        names = "".join(
            f"{first}{ending}\n" for first in ("Al", "Ber", "Car", "Del", "Fal", "Gor", "Hel", "Kan", "Mar", "Tor")
        )
        (workplace / "names" / f"{language}.txt").write_text(names, encoding="utf-8")
    (workplace / "lines.txt").write_text("Belini\nTanamoto\n", encoding="utf-8")
    commands = [line for block in blocks("docs/training.md", "sh") for line in block.splitlines()]
    assert len(commands) == 7
    for line in commands:
        succeeds(warm.toolkit(*shlex.split(line)[1:], folder=workplace))
    assert (workplace / "sheet.png").stat().st_size > 10_000
    _, augment, mix = parse_transform(json.loads(blocks("docs/training.md", "json")[0]), "grayscale")
    assert augment is not None and augment.crops is not None and mix is not None
    spoken: dict[str, Callable[..., object]] = {}
    exec(blocks("docs/training.md", "python")[0], spoken)
    Callbacks([spoken["watch"]])
    first, again = (torch.load(workplace / f"runs/{name}/best.pth", weights_only=True) for name in ("digits", "again"))
    assert all(torch.equal(value, again["state_dict"][name]) for name, value in first["state_dict"].items())


@pytest.mark.slow
def test_exporting_page(workplace: Path, warm: WarmProcesses) -> None:
    """Its Python comes before the commands that use what it writes."""
    script = workplace / "exporting.py"
    script.write_text("\n".join(blocks("docs/exporting.md", "python")), encoding="utf-8")
    assert "length" in succeeds(warm.python(script, workplace))
    (workplace / "birds.json").write_text(blocks("docs/exporting.md", "json")[0], encoding="utf-8")
    commands = [line for block in blocks("docs/exporting.md", "sh") for line in block.splitlines()]
    assert len(commands) >= 11
    for line in commands:
        succeeds(warm.toolkit(*shlex.split(line)[1:], folder=workplace))
    assert "digits.svg" in [path.name for path in workplace.iterdir()]
    assert sorted(path.name for path in (workplace / "stages").iterdir())[0] == "1-trace.onnx"


def test_snippets_for_contributors(tmp_path: Path) -> None:
    script = tmp_path / "contributing.py"
    lines = [
        *blocks("CONTRIBUTING.md", "python"),
        "from toolkit.builder.layers import LAYERS",
        "assert 'pixelshuffle' in LAYERS",
        "import numpy as np, runtime",
        "from exporters import export",
        "from toolkit import nn",
        "class Net(torch.nn.Module):",
        "    def __init__(self): super().__init__(); self.line = torch.nn.Linear(4, 2)",
        "    def forward(self, x): return {'place': self.line(x)}",
        "rows = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)",
        "model = nn('place', 'run')",
        "model.load_dataset(rows, rows[:, :2] * 2)",
        "model.add(Net)",
        "history = model.train(epochs=60, lr=0.1, verbose=False)",
        "assert history[-1]['loss'] < 0.01, history[-1]",
        "export('run/best.pth', 'place.onnx')",
        "found = runtime.load('place.onnx', 'cpu').predict(rows)",
        "assert type(found[3]).__name__ == 'Place' and abs(found[3].x - 2 * rows[3, 0]) < 0.3, found[3]",
    ]
    script.write_text("\n".join(lines))
    run([sys.executable, str(script)], tmp_path)


def test_install_commands_name_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    asked = {
        extra for group in re.findall(r"(?:\.|onnx-edge-toolkit)\[([a-z,]+)\]", text) for extra in group.split(",")
    }
    assert asked == {"cpu", "gpu", "train", "tensorboard", "all", "dev"}
    assert asked <= set(project["optional-dependencies"])


def test_no_extra_asks_for_both_onnxruntime_wheels_on_one_machine() -> None:
    from packaging.requirements import Requirement

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for machine, system in (
        ("x86_64", "linux"),
        ("aarch64", "linux"),
        ("AMD64", "win32"),
        ("arm64", "darwin"),
        ("x86_64", "darwin"),
    ):
        environment = {"platform_machine": machine, "sys_platform": system}
        for name, entries in extras.items():
            wanted = [Requirement(entry) for entry in entries if entry.startswith("onnxruntime")]
            chosen = {entry.name for entry in wanted if entry.marker is None or entry.marker.evaluate(environment)}
            assert len(chosen) <= 1, (name, machine, system, chosen)


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/basenn.md", "docs/benchmarks.md", "benchmarks/README.md"]
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"
