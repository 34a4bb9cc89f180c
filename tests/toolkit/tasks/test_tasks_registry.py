"""Tasks by name: built in, registered, aliased, and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import InputError, SpecError
from toolkit.tasks.registry import (
    DEFAULT_ALIAS,
    DEFAULT_TASK,
    find_task,
    known_task,
    register_task,
    short_names,
    task_names,
    tasks_for_loss,
    tasks_for_metric,
    typed_names,
)
from toolkit.tasks.task import Task
from toolkit.training.losses import LOSSES
from toolkit.training.metrics import METRICS, check_metrics

ROOT = Path(__file__).resolve().parents[3]
# Here "dense" and "embedding" are layers.
LAYERS = ("toolkit/builder/layers/", "toolkit/builder/layer_examples.py", "toolkit/explain/diagram/layer_text.py")


class Marks(Task):
    name = "marks"
    aliases = ("mk",)


def test_every_built_in_task_lies_in_the_file_of_its_name() -> None:
    assert task_names() == ("classification", "multilabel", "regression", "dense", "embedding")
    for name in task_names():
        task = find_task(name)
        assert task.name == task.card_task == name
        assert type(task).__module__ == f"toolkit.tasks.{name}"
        assert all(find_task(alias) is task for alias in (name.upper(), *task.aliases))
        assert [typed for typed in typed_names() if find_task(typed) is task] == [*task.aliases, name]
    assert short_names() == ("cls", "multilabel", "reg", "dense", "embedding")
    assert find_task(DEFAULT_ALIAS).name == DEFAULT_TASK


def test_a_task_names_only_losses_and_metrics_there_are_and_each_of_them_fits_one() -> None:
    for name in task_names():
        task = find_task(name)
        assert set(task.losses) <= set(LOSSES) and len(set(task.losses)) == len(task.losses)
        assert set(task.metrics) <= set(METRICS) and len(set(task.metrics)) == len(task.metrics)
        assert {task.default_loss(1), task.default_loss(3)} <= set(task.losses)
        assert check_metrics(task.default_metrics, name) == task.default_metrics
    assert all(tasks_for_loss(name) for name in LOSSES)
    assert all(tasks_for_metric(name) for name in METRICS)


def test_an_unknown_name_is_suggested() -> None:
    with pytest.raises(InputError, match=r"The task 'regresion' was given\. Did you mean 'regression'\?"):
        find_task("regresion")
    assert known_task("raw") is known_task(3) is known_task(["cls"]) is None


def test_a_registered_task_is_among_the_names() -> None:
    task = register_task(Marks())
    assert find_task("marks") is find_task("MK") is task
    assert (task_names()[-1], short_names()[-1], typed_names()[-2:]) == ("marks", "mk", ("mk", "marks"))


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (Marks, "The class Marks was given; an instance is expected: register_task(Marks())"),
        (Task(), "has no name"),
        (type("Second", (Task,), {"name": "marks"})(), "'marks' is registered already"),
        (type("Second", (Task,), {"name": "more", "aliases": ("REG",)})(), "'REG' is registered already"),
        (type("Second", (Task,), {"name": "Dense"})(), "'Dense' is registered already"),
    ],
)
def test_a_name_is_registered_once(task: Task, words: str) -> None:
    register_task(Marks())
    with pytest.raises(SpecError) as caught:
        register_task(task)
    assert words in str(caught.value)


# ---- no other file of the toolkit names a task --------------------------------------------------------------------


def _docstrings(tree: ast.AST) -> Iterator[ast.AST]:
    """String expressions that stand alone, and values in a call of `nn`, which a user writes so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            yield node.value
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "nn":
            yield from node.args


def named_tasks(source: str) -> list[tuple[int, str]]:
    """(Line, name) of each string in a source that is the name or alias of a task, in any form of code."""
    tree = ast.parse(source)
    left_out = set(map(id, _docstrings(tree)))
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.lower() in typed_names()
        and id(node) not in left_out
    ]


def test_no_file_of_the_toolkit_but_a_task_names_a_task() -> None:
    found, seen = {}, 0
    for path in sorted((ROOT / "toolkit").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(("toolkit/tasks/", *LAYERS)):
            found[name], seen = named_tasks(path.read_text(encoding="utf-8")), seen + 1
    assert seen > 120
    assert {name: places for name, places in found.items() if places} == {}


@pytest.mark.parametrize(
    "line",
    [
        'if data.task == "dense": pass',
        'if task in ("cls", "reg"): pass',
        'usual = {"regression": "MSELoss"}.get(task)',
        'Kind = Literal["embedding"]',
        'def load(task="classification"): pass',
        'match task:\n    case "multilabel": pass',
        'Dataset("dense", card)',
    ],
)
def test_a_task_named_elsewhere_would_be_found(line: str) -> None:
    assert named_tasks(line)
    assert not named_tasks('"dense"\nnn("cls")\nkind = "denser"')
