"""The import graph of the packages: no circle between files, and no folder or file that has grown too large to read."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("runtime", "model_zoo", "toolkit", "exporters")
MOST_LINES, MOST_FILES = 400, 15
# Folders of siblings that share one shape: a form, a layer, a step each.
ALIKE = ("exporters/tracing/forms", "toolkit/builder/layers", "exporters/targets/adapters")


@cache
def files() -> dict[str, Path]:
    """Module name -> file."""
    found = {"cli": ROOT / "cli.py"}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """Every module of ours that a file imports: at its top, within functions, and for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files())
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in files() or node.module in files():
                    yield name if name in files() else str(node.module)


def graph() -> dict[str, set[str]]:
    return {name: set(imported(path)) - {name} for name, path in files().items()}


def circle(edges: dict[str, set[str]]) -> list[str] | None:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def test_no_two_files_import_each_other_in_a_circle() -> None:
    edges = graph()
    assert sum(map(len, edges.values())) > 1500
    assert circle(edges) is None


def test_a_circle_would_be_found() -> None:
    edges = graph()
    assert "exporters.sources.loaded_model" in edges["exporters.subject.assembly"] | edges["exporters.sources"]
    edges["runtime.errors"].add("runtime.card.model_card")
    assert circle(edges) is not None


def own_files(suffix: str = ".py") -> list[Path]:
    """Files outside tests."""
    folders = (*PACKAGES, "benchmarks", "docs", "examples")
    return [ROOT / "cli.py", *(path for folder in folders for path in sorted((ROOT / folder).rglob(f"*{suffix}")))]


def test_no_file_has_more_than_400_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in own_files()}
    assert {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_no_folder_has_more_than_15_files_but_those_of_siblings() -> None:
    counts = Counter(path.parent.relative_to(ROOT).as_posix() for path in own_files() if path.name != "__init__.py")
    assert {name: count for name, count in counts.items() if count > MOST_FILES and name not in ALIKE} == {}
