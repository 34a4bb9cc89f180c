"""Torch module -> ONNX graph, by the torch.export based exporter, with a dynamic batch."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch

from exporters.forms import apply_forms
from exporters.subject import Subject
from runtime.console import bytes_text
from runtime.errors import CheckFailed, ToolkitError

__all__ = ["trace"]

_PLACEHOLDER = "toolkit output "

SIZE_LIMIT_BYTES = 2**31 - 1


def trace(subject: Subject, path: Path, *, dynamic_batch: bool = True, opset_version: int | None = None) -> None:
    """Write the traced and optimised graph to `path`, weights inside.

    Raises:
        CheckFailed: torch cannot export the module, its result depends on the batch size of the example, or its weights are
            larger than one file can be.
    """
    _check_size(subject.module)
    # Never a batch of 1: the exporter bakes a length of 1 in.
    rows = max(2, min(3, len(subject.samples[0]))) if dynamic_batch else len(subject.samples[0])
    examples = tuple(cycle(sample, rows) for sample in subject.samples)
    batch = torch.export.Dim("batch", min=1)
    shapes = tuple({0: batch} for _ in examples) if dynamic_batch else None
    try:
        with _quiet(), apply_forms(subject.module):
            program = torch.onnx.export(
                subject.module,
                examples,
                input_names=subject.input_names,
                output_names=[_PLACEHOLDER + name for name in subject.output_names],
                # the wrapper takes *inputs, which torch.export sees as one tuple
                dynamic_shapes=(shapes,) if shapes is not None else None,
                opset_version=opset_version,
                dynamo=True,
                optimize=True,
                verbose=False,
            )
        assert program is not None
        program.save(path, external_data=False)
        _name_outputs(path, subject.output_names)
        narrowed = _narrowed_batch(program.exported_program) if dynamic_batch else None
    except Exception as error:
        raise CheckFailed(f"torch could not export the network: {_reason(error)}") from error
    if narrowed is not None:
        raise CheckFailed(
            f"torch could not export the network: {_DEPENDS} (It holds for batches of {narrowed} rows only.)"
        )


def _check_size(module: torch.nn.Module) -> None:
    """One ONNX file is one protobuf message, which has a limit."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))
    if size > SIZE_LIMIT_BYTES:
        raise CheckFailed(
            f"The network's weights take {bytes_text(size)}; one ONNX file holds up to {bytes_text(SIZE_LIMIT_BYTES)}. Choose a "
            f"smaller network."
        )


def _name_outputs(path: Path, names: list[str]) -> None:
    """Give the outputs their names. torch calls values after its operators, so `embedding` may be taken inside the graph."""
    model = onnx.load(path)
    taken = {name: f"{name}_inside" for name in names}
    final = {_PLACEHOLDER + name: name for name in names}
    _rename(model.graph, {**taken, **final})
    onnx.save(model, path)


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                _rename(inner, names)


def _narrowed_batch(program: torch.export.ExportedProgram | None) -> str | None:
    """'0 to 8' where a branch on the batch size was followed: the exporter narrows the axis without a word."""
    if program is None:
        return None
    given = set(program.graph_signature.user_inputs)
    lengths = [
        node.meta["val"].shape[0] for node in program.graph.nodes if node.op == "placeholder" and node.name in given
    ]
    for length in lengths:
        bounds = None if isinstance(length, int) else program.range_constraints.get(length.node.expr)
        if bounds is not None and (bounds.lower > 1 or str(bounds.upper).isdecimal()):
            return f"{bounds.lower} to {bounds.upper}"
    return None


def cycle(sample: torch.Tensor, rows: int) -> torch.Tensor:
    """(n, ...) -> (rows, ...), repeating from the start where n is smaller."""
    return sample[torch.arange(rows) % len(sample)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's own log lines and warnings say nothing that the verification does not find out."""
    before = logging.root.manager.disable
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


_DEPENDS = (
    "its computation depends on the batch size, so a file made from it would be wrong at other sizes. Remove the dependence "
    "on x.shape[0], or export with a fixed batch (dynamic_batch=False)."
)


def _reason(error: BaseException) -> str:
    """The innermost cause, in one paragraph, with the remedy for what is known."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    if isinstance(error, ToolkitError):
        return text
    if "data-dependent" in text or "DataDependent" in text:
        return (
            "a branch in its forward depends on the values of its input, and a graph holds one path only. Write the choice "
            f"with torch.where or torch.cond. ({text[:160].rstrip('.')})"
        )
    if "specialized" in text.lower() or "Constraints violated" in text or "is inconsistent" in text:
        return f"{_DEPENDS} ({text[:300]})"
    return f"{type(error).__name__}: {text[:500].rstrip('.')}."
