"""Guards: torch.export's conditions on lengths, parsed from its message: bounds, multiples, and conditions."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporters.sources.axes import Axes

__all__ = ["Guard", "condition_on", "constants_of", "guards_of", "holds", "violations"]

Guard = tuple[int, str]
"""The place of an axis and a condition on its length `n`."""

_LENGTH = re.compile(r"L\['\w+'\](?:\[\d+\])*\.size\(\)\[\d+\]")

# Of a program whose inputs are one tuple: the place of an input, and of an axis.
_SIZE = re.compile(r"L\['\w+'\]\[(\d+)\]\.size\(\)\[(\d+)\]")

_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

_ROUNDINGS: dict[str, Callable[[Any], Any]] = {
    "sym_float": float,
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
}


def constants_of(text: str) -> list[tuple[int, int]]:
    """Constants: (position of the axis, its length) of every axis that became a constant."""
    found = re.findall(
        r"You marked _?axis(\d+) as dynamic but your code specialized it to be a constant \((\d+)\)", text
    )
    return [(int(place), int(length)) for place, length in found]


def guards_of(text: str) -> list[Guard]:
    """Conditions that the declared lengths do not meet: (position of the axis, condition)."""
    found = re.findall(r"Not all values of _?axis(\d+) = .*? satisfy the generated guard (.*)", text)
    return [(int(place), _LENGTH.sub("n", guard).strip().removesuffix(".")) for place, guard in found]


def violations(guard: str, lengths: range) -> list[int] | None:
    """Lengths at which a condition does not hold; None where it is not plain arithmetic of one length."""
    try:
        tree = ast.parse(guard, mode="eval").body
        return [length for length in lengths if not _value(tree, {"n": length})]
    except (SyntaxError, ValueError, ArithmeticError, RecursionError):
        return None


def condition_on(text: str, axes: Axes, names: Sequence[str]) -> ast.expr | None:
    """Parse an exported program's condition on its dynamic lengths, named by position in `names`; None for another one."""

    def called(found: re.Match[str]) -> str:
        place, axis = int(found[1]), int(found[2])
        name = axes[place].get(axis) if place < len(axes) else None
        return f"axis{names.index(name)}" if name in names else "fixed"

    try:
        return ast.parse(_SIZE.sub(called, text).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return None


def holds(condition: ast.expr, names: Sequence[str], lengths: Mapping[str, int]) -> bool | None:
    """Evaluate a condition of `condition_on` at these lengths; None where it is not plain arithmetic."""
    try:
        return bool(_value(condition, {f"axis{place}": lengths[name] for place, name in enumerate(names)}))
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _value(node: ast.AST, lengths: Mapping[str, int]) -> Any:
    """Evaluate numbers, named lengths, + - * / // %, roundings, comparisons, and. Raises ValueError for others."""
    match node:
        case ast.Constant(value=int() | float()):
            return node.value
        case ast.Name(id=name) if name in lengths:
            return lengths[name]
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, lengths)
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](_value(node.left, lengths), _value(node.right, lengths))
        case ast.Compare(ops=[only], comparators=[right]) if type(only) in _OPERATORS:
            return _OPERATORS[type(only)](_value(node.left, lengths), _value(right, lengths))
        case ast.BoolOp(op=ast.And()):
            return all(_value(part, lengths) for part in node.values)
        case ast.Call(func=ast.Name(id="IntInfinity")):
            return 2**63
        case ast.Call(func=ast.Attribute(attr="sym_float" | "trunc" | "floor" | "ceil" as name), args=[only]):
            return _ROUNDINGS[name](_value(only, lengths))
    raise ValueError("no plain arithmetic")
