"""Registry of tasks by name. A built-in task's module is imported when it is first asked for, so that a command's help
needs neither NumPy nor torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from runtime.errors import InputError, SpecError, suggest

if TYPE_CHECKING:
    from toolkit.tasks.task import Task

__all__ = [
    "DEFAULT_ALIAS",
    "DEFAULT_TASK",
    "find_task",
    "known_task",
    "register_task",
    "short_names",
    "task_names",
    "tasks_for_loss",
    "tasks_for_metric",
    "typed_names",
]

DEFAULT_TASK, DEFAULT_ALIAS = "classification", "cls"

# Name -> aliases; the task is `TASK` in the module of its name.
_BUILT_IN: dict[str, tuple[str, ...]] = {
    "classification": ("cls",),
    "multilabel": (),
    "regression": ("reg",),
    "dense": (),
    "embedding": (),
}
_REGISTERED: dict[str, Task] = {}


def register_task(task: Task) -> Task:
    """Register a task under its name and aliases; returns it.

    Raises:
        SpecError: it is a class rather than an instance, has no name, or one of its names is taken.
    """
    if isinstance(task, type):
        raise SpecError(
            f"The class {task.__name__} was given; an instance is expected: register_task({task.__name__}())."
        )
    if not getattr(task, "name", ""):
        raise SpecError(f"The task {type(task).__name__} has no name. Give its class one: name = 'marks'.")
    taken = _names()
    for name in (task.name, *task.aliases):
        if name.lower() in taken:
            raise SpecError(f"A task named {name!r} is registered already. Choose another name.")
    _REGISTERED[task.name] = task
    return task


def find_task(name: str) -> Task:
    """The task of a name or alias, looked up without case.

    Raises:
        InputError: there is none; with the closest names.
    """
    found = known_task(name)
    if found is None:
        raise InputError(f"The task {name!r} was given.{suggest(str(name), task_names())}")
    return found


def known_task(name: object) -> Task | None:
    """The task of a name or alias; None for anything else, such as a card's task "raw"."""
    canonical = _names().get(name.lower()) if isinstance(name, str) else None
    if canonical is None or canonical in _REGISTERED:
        return None if canonical is None else _REGISTERED[canonical]
    found: Task = importlib.import_module(f"toolkit.tasks.{canonical}").TASK
    return found


def task_names() -> tuple[str, ...]:
    """Names of all tasks, as data sets have them."""
    return (*_BUILT_IN, *_REGISTERED)


def short_names() -> tuple[str, ...]:
    """One name per task, the shortest that users type: the first alias, else the name."""
    return tuple((*aliases, name)[0] for name, aliases in _aliases().items())


def typed_names() -> tuple[str, ...]:
    """All names and aliases."""
    return tuple(alias for name, aliases in _aliases().items() for alias in (*aliases, name))


def tasks_for_loss(name: str) -> tuple[str, ...]:
    """Names of the tasks that a loss fits."""
    return tuple(task for task in task_names() if name in find_task(task).losses)


def tasks_for_metric(name: str) -> tuple[str, ...]:
    """Names of the tasks that a metric fits."""
    return tuple(task for task in task_names() if name in find_task(task).metrics)


def _aliases() -> dict[str, tuple[str, ...]]:
    return {**_BUILT_IN, **{name: task.aliases for name, task in _REGISTERED.items()}}


def _names() -> dict[str, str]:
    """Every name and alias in lower case -> the task's name."""
    return {alias.lower(): name for name, aliases in _aliases().items() for alias in (name, *aliases)}
