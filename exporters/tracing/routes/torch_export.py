"""The exporter over torch.export: every dynamic axis is a Dim, and the bounds that torch finds are checked by running it.

A bound that torch.export asks for is taken where torch itself refuses what lies beyond it. Where torch runs there, the
network holds a branch on that length, and a graph holds only one side of it.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from exporters.isolation.quiet import quiet
from exporters.onnx_files.external_data import SIZE_LIMIT_BYTES, save_model
from exporters.sources.torchscript import TorchScriptNetwork
from exporters.subject.dynamic_axes import example_lengths
from exporters.subject.subject import Subject
from exporters.tracing.forms import apply_forms
from exporters.tracing.forms.translations import translations
from exporters.tracing.routes.extra_probes import probes_at_numbers, probes_beyond
from exporters.tracing.routes.guards import constants_of, guards_of, violations
from exporters.tracing.routes.naming import PLACEHOLDER, name_axes_and_outputs, name_in
from exporters.tracing.routes.route import BranchFound, RouteFailed, example_inputs, in_one_paragraph
from exporters.tracing.routes.weight_arithmetic import weights_computed
from exporters.verifying.probes import Probe, batch_probe, length_probe
from runtime.atomic import is_disk_full

__all__ = ["by_torch_export"]

# Each of them narrows an axis, or shows another reason.
_ATTEMPTS = 4
# A batch beyond is not run to find out whether torch takes it.
_MOST_ROWS = 2048
# A condition is worked out at this many lengths.
_LENGTHS_TRIED = 4096
# Bounds, one above the other, of which none has an effect.
_MOST_BRANCHES = 3
# Lengths below a bound that is torch.export's alone, of which this many are run.
_LENGTHS_RUN = 6


@dataclass(frozen=True)
class _Bounds:
    """Declared lengths of one axis: multiples of `step` from `minimum` to `maximum`, including the example's."""

    example: int
    minimum: int = 1
    maximum: int | None = None
    step: int = 1

    def dim(self, place: int, name: str) -> Any:
        """Dimension `name` as torch.export.Dim, called by its place. Raises RouteFailed where one length is left."""
        highest = None if self.maximum is None else self.maximum // self.step
        lowest = -(-self.minimum // self.step)
        if highest is not None and lowest >= highest:
            called = "batch size" if name == "batch" else name
            raise RouteFailed(
                f"torch.export takes one {called} only, {self.example}: what it found leaves {self.minimum} to {self.maximum}. Fix the "
                f"axis (--static or --dynamic without it; dynamic=() in Python), or change the network."
            )
        root = torch.export.Dim(f"{'_' if self.step > 1 else ''}axis{place}", min=lowest, max=highest)
        return root if self.step == 1 else self.step * root


def by_torch_export(subject: Subject, path: Path) -> tuple[Probe, ...]:
    """Write the traced and optimised graph.

    Returns:
        Probes just outside the bounds that torch.export added to the declared ones, and outside its unreported conditions.

    Raises:
        BranchFound: the network has a branch on one of the dynamic lengths.
        RouteFailed: torch cannot export it for another reason.
    """
    examples = example_inputs(subject)
    # Dims are called by their place: axes may have any text for a name
    names = list(example_lengths(subject))
    bounds = {name: _declared(subject, name, length) for name, length in _lengths(subject, examples).items()}
    try:
        program, bounds, suspected = _exported(subject, examples, names, bounds)
        lowest = {name: bound.minimum for name, bound in bounds.items()}
        # what it noted of several lengths together; without this attribute, in other releases of torch, nothing is known
        more = probes_beyond(subject, getattr(program, "_guards_code", ()), lowest)
        suspected += more
        if isinstance(
            subject.module.module, TorchScriptNetwork
        ):  # its conversion follows one side of a branch, and says nothing
            suspected += probes_at_numbers(subject, subject.module.module.numbers)
        with quiet():
            try:
                _write(subject, program, path)
            except Exception:
                computed = weights_computed(program)
                if computed is None:
                    raise
                shapes = _shapes(subject, names, bounds)
                program = torch.export.export(computed, examples, dynamic_shapes=shapes and shapes[0], strict=False)
                _write(subject, program, path)
    except (BranchFound, RouteFailed):
        raise
    except Exception as error:
        if is_disk_full(error):
            raise  # no other route would help
        raise _explained(error, names) from error
    return tuple(suspected)


def _exported(
    subject: Subject, examples: tuple[torch.Tensor, ...], names: list[str], bounds: dict[str, _Bounds], depth: int = 0
) -> tuple[torch.export.ExportedProgram, dict[str, _Bounds], list[Probe]]:
    """Export, narrowing bounds as torch.export asks: (program, bounds, probes outside of them where torch runs).

    Raises:
        BranchFound: the network gives something else above the bounds, or has too many branches above them.
        Whatever torch.export raises.
    """
    suspected: list[Probe] = []
    above: dict[str, _Bounds] = {}
    for attempt in range(_ATTEMPTS):
        try:
            with quiet(), subject.as_at_first(), apply_forms(subject.module), _equal_lengths(subject):
                program = torch.export.export(
                    subject.module, examples, dynamic_shapes=_shapes(subject, names, bounds), strict=False
                )
            break
        except Exception as error:
            narrowed = _narrowed(str(error), names, bounds)
            if narrowed == bounds or attempt + 1 == _ATTEMPTS:
                raise
            suspected += _checked(subject, bounds, narrowed)
            above |= {
                name: replace(bounds[name], example=bound.maximum + bound.step, minimum=bound.maximum + bound.step)
                for name, bound in narrowed.items()
                if bound.maximum is not None and bound.maximum != bounds[name].maximum
            }
            bounds = narrowed
    for name, bound in above.items():
        suspected += _same_above(subject, program, names, name, {**bounds, name: bound}, depth)
    return program, bounds, suspected


def _same_above(
    subject: Subject,
    program: torch.export.ExportedProgram,
    names: list[str],
    name: str,
    bounds: dict[str, _Bounds],
    depth: int,
) -> Iterator[Probe]:
    """Probes above the bound of an axis, where torch gives what the program for the lengths below it gives.

    A guard without effect on the result, such as ``if len(x) >= 64: x = x.contiguous()``, is no branch. The network is exported
    above it too: whatever it does there is one graph, up to the next bound, and a few lengths tell two graphs apart.

    Raises:
        BranchFound: the results differ, or there are too many bounds.
    """
    start = bounds[name].minimum
    probes = [_probe(subject, name, length) for length in (start, start + bounds[name].step, 2 * start)]
    running = [probe for probe in probes if probe is not None]
    if not running:
        return
    how = f"it holds for lengths up to {start - bounds[name].step} only"
    graph = program.module(check_guards=False).forward  # without the hook that checks the bounds
    for probe in running:
        try:
            with torch.no_grad():
                found, expected = graph(*probe.inputs), subject.module(*probe.inputs)
            same = all(
                torch.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
                for one, other in zip(found, expected, strict=True)
            )
        except Exception:  # operators of ONNX, which torch cannot run, or another shape
            same = False
        if not same:
            raise _depends(name, how)
    yield from running
    if depth == _MOST_BRANCHES:
        raise _depends(name, how)
    yield from _exported(subject, running[0].inputs, names, bounds, depth + 1)[2]


@contextlib.contextmanager
def _equal_lengths(subject: Subject) -> Iterator[None]:
    """Within the ``with``, declare to torch.export that axes of one name have equal lengths.

    Otherwise it learns that only where they first meet, and may already have asked for a condition on their sum.
    """

    def tell(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        lengths: dict[str, Any] = {}
        for tensor, axes in zip(inputs, subject.axes, strict=True):
            for axis, name in axes.items():
                torch._check(lengths.setdefault(name, tensor.shape[axis]) == tensor.shape[axis])

    handle = subject.module.register_forward_pre_hook(tell)
    try:
        yield
    finally:
        handle.remove()


def _lengths(subject: Subject, examples: tuple[torch.Tensor, ...]) -> dict[str, int]:
    return example_lengths(replace(subject, samples=examples))


def _declared(subject: Subject, name: str, example: int) -> _Bounds:
    span = subject.ranges.get(name)
    return _Bounds(example) if span is None else _Bounds(example, span.minimum, span.maximum, span.step)


def _shapes(subject: Subject, names: list[str], bounds: dict[str, _Bounds]) -> Any:
    """Dynamic shapes, one mapping per input; the wrapper takes *inputs, which torch.export sees as one tuple."""
    if not names:
        return None
    dims = {name: bounds[name].dim(place, name) for place, name in enumerate(names)}
    return (tuple({axis: dims[name] for axis, name in axes.items()} for axes in subject.axes),)


def _write(subject: Subject, program: torch.export.ExportedProgram, path: Path) -> None:
    written = torch.onnx.export(
        program,
        (),
        input_names=subject.input_names,
        output_names=[PLACEHOLDER + name for name in subject.output_names],
        custom_translation_table=translations(),
        dynamo=True,
        optimize=True,
        verbose=False,
    )
    assert written is not None
    size = sum(tensor.numel() * tensor.element_size() for tensor in subject.module.state_dict().values())
    if size > SIZE_LIMIT_BYTES:
        written.save(path, external_data=True)
        name_axes_and_outputs(path, subject)
        return
    model = written.model_proto
    name_in(model, subject)
    save_model(model, path)


def _narrowed(text: str, names: list[str], bounds: dict[str, _Bounds]) -> dict[str, _Bounds]:
    """Bounds narrowed by torch.export's suggested fixes; only fixes that keep an axis dynamic are read."""
    found = dict(bounds)
    for place, guard in guards_of(text):
        found[names[place]] = _above(guard, found[names[place]])
    unsolved = re.search(r"Expected op to be '==', got (<=?) for axis(\d+) <=? (\d+)(?:/(\d+))?$", text.strip())
    if unsolved is not None:  # a bound that is no whole number
        before = found[names[int(unsolved[2])]]
        limit = Fraction(int(unsolved[3]), int(unsolved[4] or 1))
        highest = math.floor(limit) if unsolved[1] == "<=" else math.ceil(limit) - 1
        found[names[int(unsolved[2])]] = replace(before, maximum=highest // before.step * before.step)
    _, _, fixes = text.partition("Suggested fixes:")
    for line in fixes.splitlines():
        bound = re.match(r"\s*(_?)axis(\d+) = Dim\('.*?'(?:, min=(\d+))?(?:, max=(\d+))?", line)
        if bound is not None:
            before = found[names[int(bound[2])]]
            factor = before.step if bound[1] else 1
            minimum = before.minimum if bound[3] is None else max(before.minimum, int(bound[3]) * factor)
            most = before.maximum if bound[4] is None else int(bound[4]) * factor
            found[names[int(bound[2])]] = replace(before, minimum=minimum, maximum=most)
        multiple = re.match(r"\s*(_?)axis(\d+) = (\d+)\*_+axis\2\b", line)
        if multiple is not None:
            before = found[names[int(multiple[2])]]
            found[names[int(multiple[2])]] = replace(before, step=before.step * int(multiple[3]))
    return found


def _above(guard: str, bounds: _Bounds) -> _Bounds:
    """Raise the minimum above the lengths that violate a guard, such as that a length within the network is not 1.

    The lengths left out are probed afterwards. A condition that is not met above the example is no bound.
    """
    missed = violations(guard, range(bounds.minimum, bounds.minimum + _LENGTHS_TRIED * bounds.step, bounds.step))
    if not missed or missed[-1] >= bounds.example:
        return bounds
    return replace(bounds, minimum=max(bounds.minimum, missed[-1] + bounds.step))


def _checked(subject: Subject, before: dict[str, _Bounds], after: dict[str, _Bounds]) -> Iterator[Probe]:
    """Probes just outside the narrowed bounds where torch runs below; raises BranchFound where it runs above."""
    for name, bound in after.items():
        old = before[name]
        if bound.step != old.step:
            between = bound.step * max(2, bound.minimum // bound.step + 1) + old.step
            if _probe(subject, name, between) is not None:
                raise _depends(name, f"it holds for multiples of {bound.step} only")
        if bound.maximum not in (None, old.maximum) and (bound.maximum or 0) + bound.step > _MOST_ROWS:
            raise _depends(name, f"it holds for lengths up to {bound.maximum} only")
        below = range(old.minimum, bound.minimum, bound.step)
        for length in sorted({*below[:2], *below[2 - _LENGTHS_RUN :]}):
            probe = _probe(subject, name, length)
            if probe is not None:
                yield probe


def _probe(subject: Subject, name: str, length: int) -> Probe | None:
    return batch_probe(subject, length) if name == "batch" else length_probe(subject, name, length)


def _depends(name: str, how: str) -> BranchFound:
    what, remedy = ("batch size", "x.shape[0]") if name == "batch" else (name, f"the {name}")
    return BranchFound(
        f"its computation depends on the {what}, so a file made from it would be wrong at others ({how}). Remove the dependence on "
        f"{remedy}, or fix the axis (--static or --dynamic without it; dynamic=() in Python)."
    )


def _explained(error: Exception, names: list[str]) -> BranchFound | RouteFailed:
    """Error of a failed export: BranchFound for a guard that is no bound, RouteFailed for a constant length."""
    text = str(error)
    for place, length in constants_of(text):
        called = "batch size" if names[place] == "batch" else names[place]
        return RouteFailed(
            f"its {called} became the constant {length} (a loop over it, int() of it, or an operator without a dynamic "
            f"form). In place of a loop over cells run torch.nn.RNN, GRU or LSTM over the whole sequence."
        )
    for place, guard in guards_of(text):
        return _depends(names[place], f"a graph of it holds only where {guard[:120]}, n being its length")
    if "data-dependent" in text or "GuardOnDataDependent" in type(error).__name__:
        return BranchFound(
            f"a branch or a length in its forward depends on the values of its input, and a graph holds one path only. Write the "
            f"choice with torch.where or torch.cond. ({' '.join(text.split())[:160].rstrip('.')})"
        )
    return RouteFailed(in_one_paragraph(error))
