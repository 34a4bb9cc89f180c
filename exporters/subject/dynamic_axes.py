"""Dynamic axes of the inputs: as requested, or found by running torch at other lengths."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from exporters.settings import ExportSettings
from exporters.sources.axes import AXIS_NAMES, Axes, AxisRange
from exporters.subject.lengths import resized, row_axes, row_count
from exporters.subject.subject import Subject
from runtime.card import InputCard
from runtime.errors import CheckFailed, SpecError, suggest
from runtime.results import find_decoder

__all__ = ["batch_axes", "example_lengths", "resolve_dynamic_axes", "torch_error", "without_axes"]

# Torch is asked for the example's length plus and minus one of these; the first that it takes is the axis's step.
_STEPS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 24, 28, 32, 64)
# Longer ones are not tried for an upper bound: attention's memory grows with the square.
_LONGEST_TRIED = 2048


def batch_axes(samples: tuple[torch.Tensor, ...]) -> Axes:
    """Axes with only the batch dynamic: the first axis of every input that has axes."""
    return tuple({0: "batch"} if sample.ndim else {} for sample in samples)


def example_lengths(subject: Subject) -> dict[str, int]:
    """Axis name -> its length in the samples, in the order of the inputs."""
    return {
        name: int(sample.shape[axis])
        for sample, axes in zip(subject.samples, subject.axes, strict=True)
        for axis, name in axes.items()
    }


def resolve_dynamic_axes(subject: Subject, settings: ExportSettings) -> tuple[Subject, tuple[str, ...]]:
    """Resolve the dynamic axes of a subject, each tested in torch.

    `settings.dynamic` names them; None stands for the batch and the natural axes of the task: the length of texts and
    sequences, height and width where the network answers for every pixel. A natural axis along which torch itself takes
    no other length stays as it is. An input that shares its length with the first one that has the axis moves with it.

    Returns:
        The subject, and notes in words.

    Raises:
        SpecError: a name, an input or an axis does not exist.
        CheckFailed: torch itself takes no other length along an axis that was asked for.
    """
    wanted = settings.dynamic
    notes: list[str] = []
    if subject.source_axes is not None:
        axes = _axes_of_source(subject, subject.source_axes, wanted)
        ranges = {name: _range(subject, axes, name) for name in _names(axes) if name != "batch"}
    elif isinstance(wanted, Mapping):
        axes = _named_axes(subject, wanted)
        ranges = {name: _range(subject, axes, name) for name in _names(axes) if name != "batch"}
    else:
        natural = wanted is None
        names = ("batch", *_natural_names(subject)) if wanted is None else _checked_names(wanted)
        axes = batch_axes(subject.samples) if "batch" in names else without_axes(subject)
        ranges = {}
        for name in (name for name in AXIS_NAMES[1:] if name in names):
            try:
                axes, found = _found_axis(subject, axes, name)
            except CheckFailed as error:
                if not natural:
                    raise
                notes.append(f"the {name} is fixed: {error}")
            else:
                ranges.update(found)
    settled = replace(subject, axes=axes, ranges=ranges, rows=settings.batch_size)
    if "batch" in _names(axes):
        _try_batch(settled)
    elif settings.batch_size is not None and row_count(settled) is None:
        shapes = ", ".join(f"{name} {tuple(sample.shape)}" for name, sample in _inputs(subject))
        raise SpecError(
            f"batch_size={settings.batch_size} was given, but the inputs have no batch in common: {shapes}. Give an example of the "
            f"lengths that the file is to have, or say which axis is the batch: dynamic={{{subject.input_names[0]!r}: {{0: 'batch'}}}}."
        )
    notes += [f"{name}: torch itself takes {span}" for name, span in ranges.items() if _is_bounded(span)]
    return _open_cards(settled), tuple(notes)


def without_axes(subject: Subject) -> Axes:
    """Axes with every length fixed."""
    return tuple({} for _ in subject.samples)


def _is_bounded(span: AxisRange) -> bool:
    return span.step > 1 or span.maximum is not None


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in AXIS_NAMES:
            raise SpecError(
                f"There is no axis {name!r}.{suggest(name, AXIS_NAMES)} In Python other axes are given by number: "
                f"dynamic={{'input': {{0: 'batch', 1: '{name}'}}}}."
            )
    return tuple(names)


def _axes_of_source(subject: Subject, source: Axes, wanted: Sequence[str] | Mapping[str, Any] | None) -> Axes:
    """Dynamic axes of an exported program, restricted to the requested ones. Raises CheckFailed for others."""
    if wanted is None or isinstance(wanted, Mapping):
        asked = _names(source) if wanted is None else _names(_named_axes(subject, wanted))
    else:
        asked = list(_checked_names(wanted))
    for name in asked:
        if name not in _names(source):
            known = ", ".join(_names(source)) or "none"
            raise CheckFailed(
                f"The program was exported for one {name}; its dynamic axes are: {known}. Export the program again with "
                f"dynamic_shapes, or leave {name!r} out of --dynamic."
            )
    return tuple({axis: name for axis, name in axes.items() if name in asked} for axes in source)


def _named_axes(subject: Subject, wanted: Mapping[str, Mapping[int, str]]) -> Axes:
    for name, axes in wanted.items():
        if name not in subject.input_names:
            raise SpecError(f"There is no input {name!r}.{suggest(name, subject.input_names)}")
        rank = subject.samples[subject.input_names.index(name)].ndim
        for axis in axes:
            if not isinstance(axis, int) or not 0 <= axis < rank:
                raise SpecError(
                    f"The input {name!r} has the axes 0 to {rank - 1}; {axis!r} was given. Count them from 0, the batch's."
                )
    found: Axes = tuple(dict(wanted.get(name, {})) for name in subject.input_names)
    lengths: dict[str, int] = {}
    for name, axes, sample in zip(subject.input_names, found, subject.samples, strict=True):
        for axis, called in axes.items():
            length = int(sample.shape[axis])
            if lengths.setdefault(called, length) != length:
                raise SpecError(
                    f"Axis {axis} of the input {name!r} has the length {length}, and another axis called {called!r} the length "
                    f"{lengths[called]}. Give axes of different lengths different names."
                )
    return found


def _natural_names(subject: Subject) -> tuple[str, ...]:
    """Names of the natural dynamic axes of the task, besides the batch."""
    known = {name for card in subject.card.inputs for name in (card.axis_names or {}).values()}
    if "length" in known:
        return ("length",)
    per_position = find_decoder(subject.card.task).per_position
    if per_position and ("height" in known or any(sample.ndim == 4 for sample in subject.samples)):
        return ("height", "width")
    return ("length",) if per_position and any(sample.ndim in (2, 3) for sample in subject.samples) else ()


def _names(axes: Axes) -> list[str]:
    return list(dict.fromkeys(name for one in axes for name in one.values()))


def _found_axis(subject: Subject, axes: Axes, name: str) -> tuple[Axes, dict[str, AxisRange]]:
    """Add the axis called `name` where torch takes other lengths. Raises CheckFailed where there is none."""
    reasons: list[str] = []
    for added in _candidates(subject, name):
        together: Axes = tuple({**one, **more} for one, more in zip(axes, added, strict=True))
        try:
            found = {name: _range(subject, together, name)}
        except CheckFailed as error:
            reasons.append(str(error))
            continue
        together, apart = _taken_apart(subject, together, name, found[name].step)
        found.update(apart)
        if name == "length":
            together, further = _further_lengths(subject, together)
            found.update(further)
        return together, found
    if not reasons:
        shapes = ", ".join(f"{name} {tuple(sample.shape)}" for name, sample in _inputs(subject))
        raise CheckFailed(
            f"No input has an axis that could be the {name}: {shapes}. Leave {name!r} out of --dynamic, or give axes by number "
            f"in Python: dynamic={{{subject.input_names[0]!r}: {{0: 'batch', 1: {name!r}}}}}."
        )
    raise CheckFailed(reasons[0])


def _inputs(subject: Subject) -> Iterator[tuple[str, torch.Tensor]]:
    return zip(subject.input_names, subject.samples, strict=True)


def _candidates(subject: Subject, name: str) -> Iterator[Axes]:
    """Candidate sets of axes for `name`, the likeliest first."""
    for place, (card, sample) in enumerate(zip(subject.card.inputs, subject.samples, strict=True)):
        for axis in _likely_axes(card, sample.ndim, name):
            alone: list[dict[int, str]] = [{} for _ in subject.samples]
            alone[place] = {axis: name}
            yield from _sharing(subject, alone, sample.shape[axis], name)


def _sharing(subject: Subject, alone: list[dict[int, str]], length: int, name: str) -> Iterator[Axes]:
    """Axis sets of one axis with those of equal length in the other inputs: the first in each, all of them, none."""
    first, every = list(alone), list(alone)
    for place, sample in enumerate(subject.samples):
        equal = [axis for axis in range(1, sample.ndim) if sample.shape[axis] == length]
        if not alone[place] and equal:
            first[place] = {equal[0]: name}
            every[place] = dict.fromkeys(equal, name)
    for together in (first, every, alone):
        yield tuple(together)


def _likely_axes(card: InputCard, rank: int, name: str) -> tuple[int, ...]:
    """Axes of an input that may be its length, height or width."""
    if card.axis_names is not None:
        return tuple(axis for axis, known in card.axis_names.items() if known == name)
    if name == "length":
        return {2: (1,), 3: (1, 2), 4: (1, 2), 5: (2, 1)}.get(rank, ())
    places = {3: (1,), 4: (2, 1), 5: (3, 2)}.get(rank, ())
    return tuple(axis + (name == "width") for axis in places)


def _taken_apart(subject: Subject, axes: Axes, name: str, step: int) -> tuple[Axes, dict[str, AxisRange]]:
    """Give axes that are as long as the first input's by chance a name of their own: torch takes them at other lengths than it."""
    ranges: dict[str, AxisRange] = {}
    holding = [place for place, one in enumerate(axes) if name in one.values()]
    for place in holding[1:]:
        own = f"{subject.input_names[place]}_{name}"
        split: Axes = tuple(
            {axis: own if called == name and at == place else called for axis, called in one.items()}
            for at, one in enumerate(axes)
        )
        tried = replace(subject, axes=split)
        if torch_error(tried, resized(tried, {own: example_lengths(tried)[own] + step})) is not None:
            continue
        try:
            ranges[own] = _range(subject, split, own)
            _range(subject, split, name)
        except CheckFailed:
            ranges.pop(own, None)
            continue
        axes = split
    return axes, ranges


def _further_lengths(subject: Subject, axes: Axes) -> tuple[Axes, dict[str, AxisRange]]:
    """Add separate length axes of the other inputs, such as the target's beside the source's."""
    ranges: dict[str, AxisRange] = {}
    for place, (card, (input_name, sample)) in enumerate(zip(subject.card.inputs, _inputs(subject), strict=True)):
        if any(axis > 0 for axis in axes[place]):
            continue
        for axis in _likely_axes(card, sample.ndim, "length"):
            name = f"{input_name}_length"
            further: Axes = tuple({**one, axis: name} if at == place else one for at, one in enumerate(axes))
            try:
                ranges[name] = _range(subject, further, name)
            except CheckFailed:
                continue
            axes = further
            break
    return axes, ranges


def _range(subject: Subject, axes: Axes, name: str) -> AxisRange:
    """Find the valid lengths of an axis by running torch. Raises CheckFailed where only the example's length runs."""
    tried = replace(subject, axes=axes)
    example = example_lengths(tried)[name]
    rows = {"batch": min(2, example_lengths(tried).get("batch", 1))} if name != "batch" else {}

    def refusal(length: int) -> str | None:
        # two rows are enough where the batch is dynamic; elsewhere `resized` leaves them as they are
        return torch_error(tried, resized(tried, {name: length, **rows}))

    step, upward, reason = 0, True, ""
    for candidate in (step for step in _STEPS if example % step == 0):
        found = refusal(example + candidate)
        reason = reason or found or ""
        if found is None:
            step = candidate
            break
        if example > candidate and refusal(example - candidate) is None:
            step, upward = candidate, False
            break
    if not step:
        raise CheckFailed(
            f"torch itself does not run at another {name} than {example} ({reason}). Leave {name!r} out of --dynamic, or change "
            f"the network."
        )
    maximum = _maximum(example, step, refusal) if upward else example
    return AxisRange(example, step, _minimum(example, step, refusal), maximum)


def _minimum(example: int, step: int, refusal: Callable[[int], str | None]) -> int:
    low, high = 1, max(1, example // step)  # multiples of the step; `high` is known to run
    if refusal(step) is None:
        return step
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if refusal(middle * step) is None else (middle, high)
    return high * step


def _maximum(example: int, step: int, refusal: Callable[[int], str | None]) -> int | None:
    """Maximum length, by bisection below about twice the example's; None without one. Position tables have one."""
    low, high = example // step + 1, 2 * (example // step) + 1
    if high * step > _LONGEST_TRIED or refusal(high * step) is None:
        return None
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if refusal(middle * step) is None else (low, middle)
    return low * step


def _try_batch(subject: Subject) -> None:
    """Raise CheckFailed where torch itself runs only at the example's batch size."""
    example = example_lengths(subject)["batch"]
    rows = 2 if example == 1 else 1
    reason = torch_error(subject, resized(subject, {"batch": rows}))
    if reason is not None:
        raise CheckFailed(
            f"torch itself does not run at a batch of {rows}, only at the example's {example} ({reason}). Export "
            f"with a fixed batch (--static; dynamic=() in Python), or change the network."
        )


def torch_error(subject: Subject, inputs: tuple[torch.Tensor, ...]) -> str | None:
    """Error message of torch on these inputs, up to 160 characters; None where it runs and no output is empty."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = subject.module(*inputs)
    except Exception as error:
        return " ".join(str(error).split())[:160] or type(error).__name__
    if any(isinstance(result, torch.Tensor) and result.numel() == 0 for result in results):
        return "an output is empty"
    return None


def _open_cards(subject: Subject) -> Subject:
    """Set dynamic axes to None in the shapes of the array cards, which leave out the axis of the rows, or the first where there is none."""
    cards = tuple(
        card.with_free_axes([axis + (axis < (rows or 0)) for axis in axes if axis != rows])
        for card, axes, rows in zip(subject.card.inputs, subject.axes, row_axes(subject), strict=True)
    )
    return replace(subject, card=replace(subject.card, inputs=cards))
