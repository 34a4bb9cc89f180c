"""docs/reference.md is what the registries say, and every script on it runs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from toolkit.builder.activations import ACTIVATIONS
from toolkit.builder.initialisation import INITIALISERS
from toolkit.builder.layer_spec import batch_shape
from toolkit.builder.layers import LAYERS
from toolkit.builder.spec import check
from toolkit.training.losses.registry import LOSSES
from toolkit.training.metrics.registry import METRICS
from toolkit.training.optimization.optimizers import OPTIMIZERS
from toolkit.training.optimization.schedules import SCHEDULES

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "reference.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
LAYER_SCRIPTS = [script for script in SCRIPTS if "  # (N" in script]
TRAINING_SCRIPTS = [script for script in SCRIPTS if script not in LAYER_SCRIPTS]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_as_the_code_says(generator: ModuleType) -> None:
    assert generator.page() == PAGE, "write it anew: python docs/make_reference.py"


def test_every_name_is_on_the_page(generator: ModuleType) -> None:
    registries: list[Any] = [LAYERS, ACTIVATIONS, INITIALISERS, LOSSES, OPTIMIZERS, SCHEDULES, METRICS]
    for registry in registries:
        for name in registry:
            assert f"`{name}`" in PAGE, name
    assert {*generator.FAMILIES, "vision"} == {generator.module_of(entry) for entry in LAYERS.values()}


def _title(script: str) -> str:
    names = re.findall(r'model\.add\("(\w+)"', script)
    return names[-1] if names else "activations"


@pytest.mark.parametrize("script", LAYER_SCRIPTS, ids=_title)
def test_a_layer_script_ends_in_the_shape_it_says(script: str) -> None:
    scope: dict[str, Any] = {}
    exec(compile(script, "reference.md", "exec"), scope)
    shape = script.rsplit("# ", 1)[1].strip()
    assert batch_shape(check(scope["model"].spec)[1][-1]) == shape


def test_the_training_scripts_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    preamble, *scripts = TRAINING_SCRIPTS
    assert len(scripts) == 5
    scope: dict[str, Any] = {}
    exec(compile(preamble, "reference.md", "exec"), scope)
    for script in scripts:
        for line in script.splitlines():
            history = eval(compile(line, "reference.md", "eval"), scope)
            assert len(history) == 2, line
            assert history[-1]["val_loss"] == history[-1]["val_loss"], line
