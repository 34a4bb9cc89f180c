"""The batch of a file: the axis along which its rows lie, by its name in every input and output.

A name stands for one length wherever it occurs: a recurrent state (layers, batch, H) has its rows in axis 1, a graph's edges
(2, edges) have none.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.session.tensor import UNNAMED, Tensor

__all__ = ["BatchAxis", "derived_length", "find_batch"]


@dataclass(frozen=True)
class BatchAxis:
    """Batch of a file.

    Attributes:
        name: of the axis; `UNNAMED` where first axes without a name are taken for it; None where no axis is free and the batch.
        axes: input or output -> its axis of that name; those without one are missing.
        fixed: the length that all first axes of the inputs have, where these are fixed; else None.
    """

    name: str | None
    axes: Mapping[str, int]
    fixed: int | None = None

    @property
    def is_first(self) -> bool:
        """True where rows lie along the first axis of all that have rows."""
        return not any(self.axes.values())

    def rows_first(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Mapping[str, np.ndarray[Any, Any]]:
        """Arrays as the file gives them, with their rows moved into the first axis."""
        if self.is_first:
            return arrays
        return {
            name: np.moveaxis(array, self.axes.get(name, 0), 0) if np.ndim(array) and name in self.axes else array
            for name, array in arrays.items()
        }

    def as_in_file(self, rows: Mapping[str, np.ndarray[Any, Any]]) -> Mapping[str, np.ndarray[Any, Any]]:
        """Arrays with their rows in the first axis, as the file takes them."""
        if self.is_first:
            return rows
        return {
            name: np.ascontiguousarray(np.moveaxis(array, 0, self.axes.get(name, 0))) for name, array in rows.items()
        }


def find_batch(inputs: Sequence[Tensor], outputs: Sequence[Tensor] = ()) -> BatchAxis:
    """Find the batch of a file by the names of its axes.

    It is the axis called "batch", or the only one with that word in its name; else the name that all free first axes of the
    inputs share, if every input with a free axis has it. A first axis without a name goes with it. A file that takes what is no
    array, such as a sequence, has no batch.
    """
    if not all(tensor.has_axes for tensor in inputs):
        return BatchAxis(None, {})
    name = _batch_name(inputs)
    if name is None:
        firsts = {tensor.shape[0] for tensor in inputs if tensor.shape}
        fixed = next(iter(firsts)) if len(firsts) == 1 else None
        return BatchAxis(None, {}, fixed if isinstance(fixed, int) else None)
    places = ((tensor.name, _place(tensor, name)) for tensor in (*inputs, *outputs) if tensor.has_axes)
    return BatchAxis(name, {tensor: axis for tensor, axis in places if axis is not None})


def _place(tensor: Tensor, name: str) -> int | None:
    """Axis of that name; the first where it has no name, and where the file leaves the number of axes open."""
    if name != UNNAMED and name in tensor.shape:
        return tensor.shape.index(name)
    return 0 if tensor.shape[:1] in ((), (UNNAMED,)) else None


def _batch_name(inputs: Sequence[Tensor]) -> str | None:
    names = dict.fromkeys(length for tensor in inputs for length in tensor.shape if isinstance(length, str))
    if "batch" in names:
        return "batch"
    alike = [name for name in names if "batch" in name.lower() and name.isidentifier()]
    if alike:
        return alike[0] if len(alike) == 1 else None
    firsts = {tensor.shape[0] for tensor in inputs if tensor.shape and isinstance(tensor.shape[0], str)}
    told = firsts - {UNNAMED}
    if len(told) > 1 or not (firsts or any(not tensor.shape for tensor in inputs)):
        return None
    name = str(next(iter(told), UNNAMED))
    free = [tensor for tensor in inputs if any(isinstance(length, str) for length in tensor.shape)]
    return name if all(_place(tensor, name) is not None for tensor in free) else None


_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def derived_length(text: str, lengths: Mapping[str, int]) -> int | None:
    """Length of an axis whose name is computed from others, such as "2*n" or "n + 1"; None for what is no such name."""
    try:
        tree = ast.parse(text, mode="eval").body if len(text) < 200 else None
        found = None if tree is None else _value(tree, lengths)
    except (SyntaxError, ValueError, KeyError, ZeroDivisionError, RecursionError, MemoryError):
        return None
    return found if found is not None and 0 < found < 2**31 else None


def _value(node: ast.AST, lengths: Mapping[str, int]) -> int:
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, lengths), _value(node.right, lengths)
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.Name):
        return lengths[node.id]
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    raise KeyError(type(node).__name__)
