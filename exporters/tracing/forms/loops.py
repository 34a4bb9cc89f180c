"""Loops over time in a network's own forward as one scan; plain tracing would unroll the example's steps.

A loop of the kind

    for t in range(x.shape[1]):
        h = self.cell(x[:, t], h)
        steps.append(self.head(h))

is carried over from step to step (`h`), takes one slice of each sequence (`x[:, t]`), and leaves one value per step in each list
(`steps`). Where the number of steps is dynamic it runs as torch's `scan`, which becomes ONNX's Scan; elsewhere as it is.
The function is compiled anew from its own source for as long as the network is traced.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils import _pytree

from runtime.errors import SpecError

__all__ = ["loop_forms", "scanned"]

_PREFIX = "__toolkit_"
# Their networks hold no loop over time that a form does not stand for.
_LIBRARIES = ("torch", "torchvision", "timm", "transformers", "model_zoo", "toolkit", "exporters")


@contextlib.contextmanager
def loop_forms(module: torch.nn.Module) -> Iterator[None]:
    """Swap `forward` of every module below `module` that holds such a loop, for as long as the context lasts."""
    swapped: list[torch.nn.Module] = []
    try:
        for child in list(module.modules()):
            library = type(child).__module__.partition(".")[0]
            if library in _LIBRARIES or "forward" in vars(child) or isinstance(child, torch.jit.ScriptModule):
                continue
            function = scanned(type(child).forward)
            if function is not None:
                child.forward = types.MethodType(function, child)
                swapped.append(child)
        yield
    finally:
        for child in swapped:
            del child.forward


def scanned(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Rewrite a function's loops over time as scans; None where it has none, or its source is not available."""
    if not isinstance(function, types.FunctionType) or function.__closure__ or function.__code__.co_flags & 0x20:
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    found = tree.body[0]
    if not isinstance(found, ast.FunctionDef) or found.decorator_list:
        return None
    before = {argument.arg for argument in (*found.args.posonlyargs, *found.args.args, *found.args.kwonlyargs)}
    body: list[ast.stmt] = []
    changed = False
    for statement in found.body:
        loop = _Loop.read(statement, before, len(body)) if isinstance(statement, ast.For) else None
        body += [statement] if loop is None else loop.statements()
        changed = changed or loop is not None
        before |= _stored(statement)
    if not changed:
        return None
    found.body = [_Joins().visit(statement) for statement in body]
    code = compile(ast.fix_missing_locations(tree), function.__code__.co_filename, "exec")
    inner = next(part for part in code.co_consts if isinstance(part, types.CodeType) and part.co_name == found.name)
    helpers = {_PREFIX + helper.__name__.strip("_"): helper for helper in (_is_dynamic, _scan, _join, _each)}
    result = types.FunctionType(inner, {**function.__globals__, **helpers}, function.__name__, function.__defaults__)
    result.__kwdefaults__ = function.__kwdefaults__
    return result


class _Loop:
    """One scannable loop: its carried variables, sliced sequences and collected lists."""

    def __init__(self, loop: ast.For, step: str, count: ast.expr, number: int) -> None:
        self.loop, self.step, self.count, self.number = loop, step, count, number
        self.carried: list[str] = []
        self.slices: list[ast.expr] = []
        self.collected: list[str] = []

    @classmethod
    def read(cls, loop: ast.For, before: set[str], number: int) -> _Loop | None:
        """Parse a loop; None where it is of another kind."""
        match loop:
            case ast.For(
                target=ast.Name(id=step),
                iter=ast.Call(func=ast.Name(id="range"), args=[count], keywords=[]),
                orelse=[],
            ) if all(isinstance(part, ast.Assign | ast.AugAssign | ast.Expr) for part in loop.body):
                found = cls(loop, step, count, number)
            case _:
                return None
        stored = set().union(*map(_stored, loop.body))
        found.carried = sorted(stored & before)
        for part in loop.body:
            if isinstance(part, ast.Expr):
                match part.value:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[_], keywords=[]):
                        found.collected.append(name)
                    case _:
                        return None
        repeated = len(set(found.collected)) != len(found.collected)
        return None if repeated or not found.carried or _stores_elsewhere(loop) else found

    def statements(self) -> list[ast.stmt]:
        """Statements that run the loop as it is, or as a scan."""
        inner = [self._collect(part) for part in copy.deepcopy(self.loop.body)]
        slices = _Slices(self.step, f"{_PREFIX}slice")
        inner = [slices.visit(part) for part in inner]
        count = f"{_PREFIX}count{self.number}"
        carried = ", ".join(self.carried) + ","
        values = ", ".join(f"{_PREFIX}value{place}" for place in range(len(self.collected)))
        parts = ", ".join([*slices.names, self.step]) + ","
        given = ", ".join([*map(ast.unparse, slices.found), "None"]) + ","
        lists = ", ".join(self.collected)
        text = f"""
{count} = {ast.unparse(self.count)}
if {_PREFIX}is_dynamic({count}):
    def {_PREFIX}body({_PREFIX}carry, {_PREFIX}parts):
        ({carried}) = {_PREFIX}carry
        ({parts}) = {_PREFIX}parts
        pass
        return {_PREFIX}each(({carried})), {_PREFIX}each(({values}{"," if values else ""}))
    ({carried}), [{lists}] = {_PREFIX}scan({_PREFIX}body, ({carried}), ({given}), {count}, {self.carried!r})
else:
    pass
"""
        first, choice = ast.parse(text).body
        assert isinstance(choice, ast.If) and isinstance(choice.body[0], ast.FunctionDef)
        choice.body[0].body[2:3] = inner
        choice.orelse = [self.loop]
        return [first, choice]

    def _collect(self, part: ast.stmt) -> ast.stmt:
        """`steps.append(value)` -> an assignment that the body returns."""
        if not isinstance(part, ast.Expr) or not isinstance(part.value, ast.Call):
            return part
        owner = part.value.func
        assert isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name)
        target = ast.Name(f"{_PREFIX}value{self.collected.index(owner.value.id)}", ast.Store())
        return ast.Assign([target], part.value.args[0])


class _Slices(ast.NodeTransformer):
    """`x[:, t]` -> a name of its own; `found` holds what each is a slice of, the steps moved to the front."""

    def __init__(self, step: str, prefix: str) -> None:
        self.step, self.prefix = step, prefix
        self.found: list[ast.expr] = []
        self.names: list[str] = []

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Rewrite one slice, where all other axes are taken whole."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        places = [place for place, part in enumerate(parts) if isinstance(part, ast.Name) and part.id == self.step]
        others = [part for place, part in enumerate(parts) if place not in places]
        whole = all(isinstance(part, ast.Slice) and part.lower is part.upper is part.step is None for part in others)
        if len(places) != 1 or not whole or not isinstance(node.value, ast.Name) or not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        name = f"{self.prefix}{len(self.names)}"
        self.names.append(name)
        self.found.append(ast.parse(f"{node.value.id}.movedim({places[0]}, 0)", mode="eval").body)
        return ast.Name(name, ast.Load())


class _Joins(ast.NodeTransformer):
    """`torch.stack(steps, 1)` and `torch.cat` -> a function that takes the steps as one tensor too."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Rewrite a call of torch.stack or torch.cat."""
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(value=ast.Name(id="torch"), attr="stack" | "cat"):
                return ast.Call(ast.Name(f"{_PREFIX}join", ast.Load()), [node.func, *node.args], node.keywords)
        return node


def _stored(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _stores_elsewhere(loop: ast.For) -> bool:
    """Test for a loop that writes into a tensor or an attribute, which a scan cannot."""
    nodes = [node for part in loop.body for node in ast.walk(part)]
    return any(isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store) for node in nodes)


def _is_dynamic(count: Any) -> bool:
    return isinstance(count, torch.SymInt)


def _each(values: Any) -> Any:
    """Clone tensors: a scan's carried values must not alias its inputs."""
    return _pytree.tree_map(torch.clone, values)


def _scan(
    body: Callable[..., Any], first: Any, slices: tuple[Any, ...], count: Any, names: list[str]
) -> tuple[Any, Any]:
    """Run `body` over `count` steps. Returns the final carry, and the steps' values, one tensor (count, ...) each."""
    from torch._higher_order_ops.scan import scan

    for name, value in zip(names, first, strict=True):
        if not all(isinstance(leaf, torch.Tensor) for leaf in _pytree.tree_leaves(value)):
            raise SpecError(
                f"A loop over a dynamic length carries {name!r}, which is {value!r:.40} before its first step. Begin with a tensor, such "
                f"as x.new_zeros(x.shape[0], hidden)."
            )
    sequences = tuple(part[:count] for part in slices[:-1])
    steps = torch.arange(count)
    last, values = scan(body, _each(first), (*sequences, steps))
    return last, list(values)


def _join(function: Callable[..., torch.Tensor], steps: Any, dim: int = 0, **options: Any) -> torch.Tensor:
    """Join steps as torch.stack or torch.cat do; steps in one tensor (count, ...) by moving its first axis."""
    if not isinstance(steps, torch.Tensor):
        return function(steps, options.pop("axis", dim), **options)
    axis = options.pop("axis", dim)
    if function is torch.stack:
        return steps.movedim(0, axis)
    axis = axis % (steps.ndim - 1)
    return steps.movedim(0, axis).flatten(axis, axis + 1)
