"""Pairing of two models' inputs and outputs: by name, else by order, else by likeness of their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from exporters.comparing.compared_models import OF_STEPS_BEHIND, ComparedModel
from runtime.errors import CheckFailed, InputError, suggest
from runtime.session import Tensor

__all__ = ["pair_by_likeness", "pair_inputs", "pair_outputs"]


def pair_inputs(first: ComparedModel, second: ComparedModel) -> dict[str, str]:
    """Input of the first -> input of the second; by order where the names differ. Raises CheckFailed where they do not fit."""
    names, others = ([tensor.name for tensor in side.inputs] for side in (first, second))
    if set(names) == set(others):
        return {name: name for name in names}
    fits = len(names) == len(others) and all(
        len(one.shape) == len(other.shape) and one.dtype == other.dtype
        for one, other in zip(first.inputs, second.inputs, strict=True)
    )
    if not fits:
        raise CheckFailed(
            f"{first.name} takes {_words(first.inputs)}; {second.name} takes {_words(second.inputs)}. "
            f"Two networks with the same inputs can be compared."
        )
    return dict(zip(names, others, strict=True))


def pair_outputs(first: ComparedModel, second: ComparedModel, wanted: Sequence[str] | None) -> dict[str, str] | None:
    """Output of the first -> output of the second, those of equal names; None where no name is in both.

    Raises:
        CheckFailed: an output of one is not in the other, and the outputs to compare were not named.
        InputError: an output that was asked for is in neither.
    """
    if wanted is not None:
        for name in wanted:
            if name not in first.outputs or name not in second.outputs:
                side = first if name not in first.outputs else second
                raise InputError(f"{side.name} has no output {name!r}.{suggest(name, side.outputs)}")
        return {name: name for name in wanted}
    common = [name for name in first.outputs if name in second.outputs]
    if not common:
        return None
    for one, other in ((first, second), (second, first)):
        missing = [name for name in one.outputs if name not in other.outputs and name not in _of_steps_behind(one)]
        if missing:
            raise CheckFailed(
                f"{other.name} lacks the output{'s' if len(missing) > 1 else ''} {', '.join(missing)} of {one.name}. To compare the "
                f"others alone, name them: --outputs {','.join(common)}."
            )
    return {name: name for name in common}


def _of_steps_behind(side: ComparedModel) -> list[str]:
    """Names of the outputs of post-processing steps that an export added, which the network alone lacks."""
    entries = side.card.outputs if side.card is not None else ()
    return [entry.name for entry in entries if entry.role in OF_STEPS_BEHIND]


def pair_by_likeness(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], names: tuple[str, str]
) -> dict[str, str]:
    """Pair differently named outputs by value: each of the model with fewer goes to the most similar of its shape.

    Raises:
        CheckFailed: an output has no counterpart of its shape.
    """
    few, many = (first, second) if len(first) <= len(second) else (second, first)
    free = dict(many)
    found: dict[str, str] = {}
    for name, values in few.items():
        fits = {other: _distance(values, array) for other, array in free.items() if array.shape == values.shape}
        if not fits:
            shapes = "; ".join(f"{other} {array.shape}" for other, array in free.items())
            raise CheckFailed(
                f"The outputs of {names[0]} and {names[1]} have other names, and {name} of shape {values.shape} fits none of the "
                f"others ({shapes or 'none is left'})."
            )
        best = min(fits, key=lambda other: fits[other])
        free.pop(best)
        found[name] = best
    return found if few is first else {other: name for name, other in found.items()}


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return float("inf")
    distance = float(np.sqrt(np.square(a.astype(np.float64) - b.astype(np.float64)).sum()))
    return distance if np.isfinite(distance) else float("inf")


def _words(inputs: Sequence[Tensor]) -> str:
    return "; ".join(map(str, inputs)) or "no input"
