"""Legacy exporter over TorchScript tracing: it freezes every loop and branch, so only the comparison shows whether it is right."""

from __future__ import annotations

import contextlib
import os
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from exporters.isolation.quiet import quiet
from exporters.onnx_files.external_data import SIZE_LIMIT_BYTES
from exporters.outputs.named_outputs import LAYER
from exporters.sources.torchscript import TorchScriptNetwork
from exporters.subject.dynamic_axes import example_lengths, torch_error
from exporters.subject.lengths import resized
from exporters.subject.subject import Subject
from exporters.tracing.forms import apply_forms
from exporters.tracing.forms.functions import run_under
from exporters.tracing.routes.extra_probes import numbers_in, probes_at_numbers
from exporters.tracing.routes.naming import PLACEHOLDER, name_axes_and_outputs
from exporters.tracing.routes.route import BranchFound, RouteFailed, example_inputs, in_one_paragraph
from exporters.verifying.probes import Probe
from runtime.atomic import is_disk_full

__all__ = ["by_legacy_exporter"]

# The newest that it writes all of its operators for.
_OPSET = 18


def by_legacy_exporter(subject: Subject, path: Path) -> tuple[Probe, ...]:
    """Write the graph by `torch.onnx.export(dynamo=False)`.

    Returns:
        Probes at the lengths that the network's code names, where it makes plain numbers of tensors or lengths: what it does
        with them is frozen.

    Raises:
        BranchFound: the network branches on a tensor or a length.
        RouteFailed: the exporter fails, with its reason.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in subject.module.state_dict().values())
    if size > SIZE_LIMIT_BYTES:
        raise RouteFailed("it cannot write weights of more than 2 GB.")
    outputs = [PLACEHOLDER + name for name in subject.output_names]
    dynamic = {name: dict(axes) for name, axes in zip(subject.input_names, subject.axes, strict=True) if axes}
    watched = _Branches()
    try:
        # an axis that is not named is fixed, of the outputs too: all of theirs are left open
        opened = {**dynamic, **_open_outputs(subject, outputs)} if dynamic else None
        with (
            quiet(),
            _quiet_descriptors(),
            subject.as_at_first(),
            run_under(subject.module, lambda: watched),
            apply_forms(subject.module, symbolic=False),
        ):
            torch.onnx.export(
                _traced(subject),
                example_inputs(subject),
                path,
                input_names=subject.input_names,
                output_names=outputs,
                dynamic_axes=opened,
                opset_version=_OPSET,
                dynamo=False,
            )
        name_axes_and_outputs(path, subject)
    except Exception as error:
        if is_disk_full(error):
            raise  # no other route would help
        raise RouteFailed(in_one_paragraph(error)) from error
    if watched.found:
        raise BranchFound(
            f"a branch in its forward depends on the values or lengths of its input ({watched.found[0]}), and a graph holds one path "
            f"only. Write the choice with torch.where or torch.cond."
        )
    if not dynamic or not watched.frozen:
        return ()
    return tuple(probes_at_numbers(subject, set().union(*map(numbers_in, watched.frozen))))


def _traced(subject: Subject) -> torch.nn.Module:
    """The network; a script itself where its outputs are the file's, so that its loops and branches are kept."""
    named = subject.module
    plain = named.own and named.picked is None and named.arguments is None
    if (
        plain
        and isinstance(named.module, TorchScriptNetwork)
        and not any(card.name.startswith(LAYER) for card in named.cards)
    ):
        return named.module.script
    return named


@contextlib.contextmanager
def _quiet_descriptors() -> Iterator[None]:
    """Redirect file descriptors 1 and 2 to /dev/null: a failing exporter prints its graph from C++."""
    kept: list[tuple[int, int]] = []
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            with contextlib.suppress(OSError):  # closed, as in a service
                kept.append((number, os.dup(number)))
                os.dup2(nothing, number)
        yield
    finally:
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(nothing)


_TO_NUMBERS = frozenset(
    {
        torch.Tensor.__len__, torch.Tensor.__int__, torch.Tensor.__index__, torch.Tensor.__float__, torch.Tensor.item,
        torch.Tensor.tolist,
    }
)  # fmt: skip
# Of tensors' methods that are written in Python the caller's frame lies behind these files.
_PYTHON_METHODS = tuple(str(Path(torch.__file__).parent / name) for name in ("_tensor.py", "overrides.py"))


class _Branches(TorchFunctionMode):
    """Function mode that records branches on tensors in the network's code: tracing silently follows one side.

    Values and, while tracing, lengths are tensors. torch's own checks of its arguments do not count.

    Attributes:
        found: positions of the branches.
        frozen: code that makes a plain number of a tensor, such as `len(x)`: the number is frozen, whatever becomes of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.frozen: set[types.CodeType] = set()

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.__bool__:
            code = sys._getframe(1).f_code
            if not code.co_filename.startswith(_OWN):
                self.found.append(f"{Path(code.co_filename).name}, {code.co_qualname}")
        elif func in _TO_NUMBERS:
            frame = sys._getframe(1)
            while frame.f_code.co_filename in _PYTHON_METHODS and frame.f_back is not None:
                frame = frame.f_back
            if not frame.f_code.co_filename.startswith(_OWN):
                self.frozen.add(frame.f_code)
        return func(*args, **(kwargs or {}))


# The folders of torch and of this package.
_OWN = (str(Path(torch.__file__).parent), str(Path(__file__).parents[2]))


def _open_outputs(subject: Subject, names: list[str]) -> dict[str, dict[int, str]]:
    """Dynamic axes of the outputs: output -> axes whose lengths change with the inputs', found by running torch."""
    examples = example_inputs(subject)
    lengths = example_lengths(replace(subject, samples=examples))
    others = {
        name: next(
            (n for n in range(length + 1, length + 130) if name == "batch" or subject.ranges[name].holds(n)), length
        )
        for name, length in lengths.items()
        if name == "batch" or name in subject.ranges
    }
    with torch.no_grad():
        before = subject.module(*examples)
    found: dict[str, dict[int, str]] = {name: {} for name in names}
    for name, length in others.items():
        changed = resized(subject, {**lengths, name: length})
        if torch_error(subject, changed) is not None:
            continue
        with torch.no_grad():
            after = subject.module(*changed)
        for output, one, other in zip(names, before, after, strict=True):
            for axis in range(one.ndim):
                if one.shape[axis] != other.shape[axis]:
                    same = one.shape[axis] == lengths[name] and other.shape[axis] == length
                    found[output].setdefault(axis, name if same else f"{output.removeprefix(PLACEHOLDER)}_{axis}")
    return found
