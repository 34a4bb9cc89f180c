"""What knows no task asks the task's decoder: no task's name is compared outside of the tasks' own files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.results import task_names

ROOT = Path(__file__).resolve().parents[1]
# The tasks' own files, and the names that cards accept.
OWN = ("runtime/results/", "runtime/card/names.py")
# Names of tasks that are roles and kinds of outputs as well.
AMBIGUOUS = {"embedding", "raw"}


def is_task(node: ast.expr) -> bool:
    """Whether an expression is called a task: `task`, `card.task`, `facts["task"]`."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value == "task"
    return getattr(node, "id", getattr(node, "attr", None)) == "task"


def named(node: ast.AST) -> set[str]:
    """Names of tasks that stand in an expression."""
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)} & set(task_names())


def comparisons(tree: ast.AST) -> Iterator[int]:
    """Lines that compare a task's name, or choose by one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            found = set().union(*map(named, sides))
            if found and (any(map(is_task, sides)) or found - AMBIGUOUS):
                yield node.lineno
        elif isinstance(node, ast.Dict) and {key for part in node.keys if part for key in named(part)} - AMBIGUOUS:
            yield node.lineno
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            names = {part.value for part in node.elts if isinstance(part, ast.Constant)} & set(task_names())
            if len(names) > 1:
                yield node.lineno
        elif isinstance(node, ast.match_case) and named(node.pattern):
            yield node.pattern.lineno


@pytest.mark.parametrize("package", ["runtime", "exporters"])
def test_no_task_is_compared_outside_of_its_own_file(package: str) -> None:
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(OWN):
            found += [f"{name}:{line}" for line in comparisons(ast.parse(path.read_text(encoding="utf-8")))]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        'card.task == "raw"',
        'task != "dense"',
        'card.task in ("embedding", "raw")',
        'facts["task"] == "embedding"',
        'X = {"regression": 1}',
        'X = ("classification", "multilabel")',
        'match task:\n    case "dense":\n        pass',
        'kind == "multilabel"',
    ],
)
def test_a_comparison_is_found(code: str) -> None:
    assert list(comparisons(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ['role == "raw"', '"embedding" in names', 'X = {"embedding": vector}', 'card = f(task="raw")', "task in TASKS"],
)
def test_roles_and_values_are_no_comparisons(code: str) -> None:
    assert not list(comparisons(ast.parse(code)))
