"""An ExportedProgram (.pt2): loaded without executing code in it, with the dynamic axes that it was exported for."""

from __future__ import annotations

import ast
import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from exporters.sources.axes import Axes
from exporters.sources.loaded_model import LoadedModel
from runtime.errors import CheckpointError

__all__ = ["open_program", "program_source"]

# What the names of lengths in a program may be combined with. sympy reads them by eval, so nothing else may be in them.
_FUNCTIONS = frozenset(
    {
        "Abs", "Add", "And", "CeilToInt", "CleanDiv", "Eq", "FloatPow", "FloorDiv", "FloorToInt", "Ge", "Gt", "Identity", "Integer",
        "IntTrueDiv", "IsNonOverlappingAndDenseIndicator", "Le", "Lt", "Max", "Min", "Mod", "ModularIndexing", "Mul", "Ne", "Not",
        "Or", "Piecewise", "Pow", "PowByNatural", "PythonMod", "Rational", "RoundDecimal", "RoundToInt", "Symbol", "ToFloat",
        "TruncToFloat", "TruncToInt", "Where", "ceiling", "floor", "sqrt",
    }
)  # fmt: skip
_EXPRESSION = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Name, ast.Load, ast.Constant, ast.Tuple,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip

# What torch calls a length.
_LENGTH = re.compile(r"[suzf]+[0-9]+")


def open_program(path: Path, *, trust: bool = False) -> LoadedModel:
    """A .pt2 file -> its module, the example that it was made from, and its dynamic axes.

    Raises:
        CheckpointError: it cannot be read, holds pickled objects and `trust` is not set, or has no example.
    """
    if not trust:
        _check_content(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(path)
    except Exception as error:  # a damaged file fails in many ways
        raise CheckpointError(
            f"{path} cannot be loaded as an exported program: {_short(error)}. Save it again with torch.export.save, with this "
            f"version of torch ({torch.__version__.partition('+')[0]})."
        ) from error
    return program_source(program, str(path))


def program_source(program: torch.export.ExportedProgram, name: str) -> LoadedModel:
    """An ExportedProgram -> its module, the example that it was made from, and its dynamic axes."""
    if program.example_inputs is None:
        raise CheckpointError(f"{name} has no example inputs. Save the program again, as torch.export.export made it.")
    axes, notes = _axes(program)
    module = _ProgramModule(program)
    if not any(axes):
        notes = (
            *notes,
            "the program was made for the shapes of its example alone, so the file is too; export it with dynamic_shapes for "
            "others",
        )
    return LoadedModel(module, program.example_inputs, source_axes=axes, notes=notes)


class _ProgramModule(torch.nn.Module):
    """Module around an ExportedProgram's graph; train() and eval() have no effect."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        super().__init__()
        try:
            # its guards would say again what the axes say, and may not be traced a second time
            graph = program.module(check_guards=False)
        except TypeError:  # torch before 2.9
            graph = program.module()
        graph.train = lambda mode=True: graph  # type: ignore[method-assign] # torch's own refuses
        for part in graph.modules():
            part.training = False
        self.graph = graph
        vars(self)["forward"] = graph.forward  # its signature tells the names

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        """Run the program's graph."""
        return self.graph(*inputs, **keywords)


def _axes(program: torch.export.ExportedProgram) -> tuple[Axes, tuple[str, ...]]:
    """Dynamic axes of each input: axis -> name, where the program leaves the length open."""
    given = list(program.graph_signature.user_inputs)
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    shapes = [values[name].shape for name in given if isinstance(values.get(name), torch.Tensor)]
    # a length that another one is computed from cannot be told to the exporter by a name
    combined = {
        symbol
        for shape in shapes
        for length in shape
        if not isinstance(length, int) and not length.node.expr.is_symbol
        for symbol in length.node.expr.free_symbols
    }
    free = [
        {
            axis: length.node.expr
            for axis, length in enumerate(shape)
            if not isinstance(length, int) and length.node.expr.is_symbol and length.node.expr not in combined
        }
        for shape in shapes
    ]
    # the batch is a first axis, and every input with a free axis has it: a graph's nodes, which its edges lack, are none
    firsts = [symbols[0] for symbols in free if 0 in symbols]
    batch = next((symbol for symbol in firsts if all(symbol in one.values() for one in free if one)), None)
    called: dict[Any, str] = {} if batch is None else {batch: "batch"}
    result: list[dict[int, str]] = []
    for shape, symbols in zip(shapes, free, strict=True):
        found = {}
        for axis, symbol in symbols.items():
            if symbol not in called:
                plain = _plain_name(axis, len(shape))
                taken = sum(name.rstrip("0123456789") == plain for name in called.values())
                called[symbol] = plain if not taken else f"{plain}{taken + 1}"
            found[axis] = called[symbol]
        result.append(found)
    notes = ("a length of the program is computed from another one; both are fixed",) if combined else ()
    return tuple(result), notes


def _plain_name(axis: int, rank: int) -> str:
    return {(2, 4): "height", (3, 4): "width", (1, 2): "length", (1, 3): "length", (2, 3): "length"}.get(
        (axis, rank), f"axis{axis}_"
    ).rstrip("_")


def _check_content(path: Path) -> None:
    """Raise CheckpointError for content that torch.export.load would execute: pickles, and expressions other than of lengths."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    content = json.loads(archive.read(name))
                    if _has_pickled_weights(content):
                        raise CheckpointError(_pickled(path))
                    for text in _expressions(content):
                        _check_expression(path, text)
                elif _is_pickled(archive, name):
                    _check_pickled(path, archive.read(name))
    except CheckpointError:
        raise
    except Exception as error:  # a damaged archive fails in many ways
        raise CheckpointError(f"{path} is cut short or damaged: {_short(error)}. Fetch or save it again.") from error


def _is_pickled(archive: zipfile.ZipFile, name: str) -> bool:
    """Test by magic number for a pickle or torch.save file in the archive; raw weights may begin with any bytes."""
    with archive.open(name) as member:
        head = member.read(4)
    raw = name.rpartition("/")[2].startswith(("weight_", "tensor_"))
    return head == b"PK\x03\x04" or (head[:1] == b"\x80" and not raw)


def _check_pickled(path: Path, content: bytes) -> None:
    try:
        torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:
        raise CheckpointError(_pickled(path)) from error


def _pickled(path: Path) -> str:
    return (
        f"{path} holds pickled Python objects, and opening it could run code hidden in them, so it was not opened. Save the "
        f"program again with plain tensors, or, if you trust where it comes from, say so with --trust (trust=True in Python)."
    )


def _has_pickled_weights(value: Any) -> bool:
    """Test that a weights table (JSON) marks an entry as pickled."""
    if isinstance(value, dict):
        return value.get("use_pickle") is True or any(map(_has_pickled_weights, value.values()))
    return isinstance(value, list) and any(map(_has_pickled_weights, value))


def _expressions(value: Any) -> Iterator[str]:
    """Iterate over every expression of lengths in a program's JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "expr_str" and isinstance(item, str):
                yield item
            else:
                yield from _expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from _expressions(item)


def _check_expression(path: Path, text: str) -> None:
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    fits = tree is not None and all(_is_of_lengths(node) for node in ast.walk(tree))
    if not fits:
        raise CheckpointError(
            f"{path} holds {text[:60]!r} where an expression of lengths is expected; reading it could run code, so it was not "
            f"opened. If you trust where it comes from, say so with --trust (trust=True in Python)."
        )


def _is_of_lengths(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float | bool) or (
            isinstance(node.value, str) and bool(_LENGTH.fullmatch(node.value))
        )
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS or node.id in ("oo", "int_oo") or bool(_LENGTH.fullmatch(node.id))
    if isinstance(node, ast.keyword):  # Symbol('s77', positive=True, integer=True)
        return node.arg in ("integer", "positive", "nonnegative", "real")
    return isinstance(node, _EXPRESSION)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
