"""CONTRIBUTING's map and walk name only what there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALK = TEXT.partition("## A walk")[2].partition("\n## ")[0]
PATH = re.compile(r"`((?:runtime|model_zoo|toolkit|exporters|tests|benchmarks|docs)/[\w/.-]*|cli\.py)`")
NAME = re.compile(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)`")


def steps() -> list[str]:
    """The numbered steps of the walk, each on one line."""
    return [" ".join(step.split()) for step in re.split(r"(?m)^\d+\. ", WALK)[1:]]


def defined(path: Path) -> set[str]:
    """Names of classes, functions, methods and variables in a file: `function`, `Class`, `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return found


def test_every_path_exists() -> None:
    paths = PATH.findall(TEXT)
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_walk_has_both_roads() -> None:
    assert len(steps()) >= 16
    assert "toolkit predict" in WALK
    assert "toolkit export" in WALK


@pytest.mark.parametrize("step", steps(), ids=lambda step: step[:40])
def test_every_name_of_a_step_is_defined_in_a_file_of_that_step(step: str) -> None:
    files = [path for path in PATH.findall(step) if path.endswith(".py")]
    names = [name for name in NAME.findall(step) if name != "cli.py"]
    assert files
    assert names
    known = set().union(*(defined(ROOT / path) for path in files))
    assert [name for name in names if name not in known] == []


def test_every_folder_of_the_packages_is_on_the_map() -> None:
    drawn = TEXT.partition("```\n")[2].partition("```")[0]
    folders = [
        path.parent.name
        for package in ("runtime", "toolkit", "exporters")
        for path in (ROOT / package).glob("*/__init__.py")
    ]
    assert len(folders) > 20
    assert [name for name in folders if f"{name}/" not in drawn] == []
