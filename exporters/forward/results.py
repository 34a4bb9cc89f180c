"""Module results (mappings, dataclasses, tuples and lists of any depth) -> a flat list of named tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch

__all__ = ["flat_outputs", "main_result", "named_results"]

# Where modules with several outputs keep the one that their task is about.
_MAIN = ("logits", "out")


def flat_outputs(result: Any) -> list[Any]:
    """Flatten a result: its values in order, whatever the containers; None is left out."""
    return [value for _, value in _walk(result, ())]


def named_results(result: Any) -> dict[str, Any]:
    """Flatten a result into name -> value, in order; None is left out.

    A single one is called "output". In tuples and lists they are counted, "output1" and so on; in mappings, dataclasses and
    named tuples they are called by their path, such as "boxes" or "aux.0".
    """
    found = list(_walk(result, ()))
    if len(found) == 1 and not found[0][0]:
        return {"output": found[0][1]}
    if all(isinstance(key, int) for path, _ in found for key in path):
        if len(found) == 1:
            return {"output": found[0][1]}
        return {f"output{number}": value for number, (_, value) in enumerate(found, start=1)}
    names: dict[str, Any] = {}
    for path, value in found:
        first = f"output{path[0] + 1}" if isinstance(path[0], int) else str(path[0])
        name = plain = ".".join((first, *map(str, path[1:])))
        number = 2
        while name in names:
            name, number = f"{plain}_{number}", number + 1
        names[name] = value
    return names


def main_result(result: Any) -> Any:
    """Main output tensor of a result: the result itself, or its entry "logits" or "out"."""
    fields = dict(_children(result) or ())
    return next((fields[name] for name in _MAIN if isinstance(fields.get(name), torch.Tensor)), result)


def _walk(result: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if result is None:
        return
    children = _children(result)
    if children is None:
        yield path, result
        return
    for key, value in children:
        yield from _walk(value, (*path, key))


def _children(value: Any) -> list[tuple[Any, Any]] | None:
    """(key, value) of a container, or None of anything else."""
    if isinstance(value, Mapping):
        return list(value.items())
    names = getattr(value, "_fields", None)
    if names is not None and isinstance(value, tuple):  # a named tuple
        return list(zip(names, value, strict=True))
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(item.name, getattr(value, item.name)) for item in dataclasses.fields(value)]
    return None
