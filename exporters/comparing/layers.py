"""First differing layer of two networks, found from their layers' tensors on the same inputs.

The layers of two descriptions of one network cannot be paired by name or by number: exporters rename, simplifiers fuse a
convolution with the normalisation behind it, and layouts differ. So they are paired by their values. A layer is
*equal* when the other network has a tensor with the same numbers, in whatever order of axes. A layer without an equal one
is merely fused with the next where something that comes from it is equal again. The networks part at the first layer that
leads to a differing output, has no equal, and from which nothing equal comes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from exporters.comparing.steps import Step, Steps
from runtime.console import table

__all__ = ["LayerReport", "LayerRow", "find_divergence"]

# Relative differences: up to here two tensors are the same but for rounding that layers add up, ...
ROUNDING = 1e-4
# ... and from here on they have nothing to do with each other.
_UNRELATED = 0.5
_FEWEST_NUMBERS = 4
_MOST_PERMUTED_AXES = 5


@dataclass(frozen=True)
class LayerRow:
    """One layer and its counterpart: the most similar tensor of the other network.

    Attributes:
        name, kind, shape: of the layer.
        state: "equal"; "inside" where the other has no such tensor but the layers behind are equal; "differs" from where they
            part on.
        counterpart: the other's most similar tensor, or None where none has as many numbers.
        difference: |a - b| / |a| from it (lengths of the tensors as vectors), or None.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    state: Literal["equal", "inside", "differs"]
    counterpart: str | None
    difference: float | None


@dataclass(frozen=True)
class LayerReport:
    """Layer-by-layer comparison of two networks.

    Attributes:
        first: the first layer that differs, or None where every layer has its equal.
        seen: the first tensor from there on that the other network has with other numbers, or None.
        last_equal: the last equal layer that `first` comes from, or None where it is the first of all.
        rows: every layer that leads to a compared output.
    """

    first: LayerRow | None
    seen: LayerRow | None
    last_equal: LayerRow | None
    rows: tuple[LayerRow, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        plain = {
            name: None if row is None else vars(row)
            for name, row in (("first", self.first), ("seen", self.seen), ("last_equal", self.last_equal))
        }
        return {**plain, "rows": [vars(row) for row in self.rows]}

    def __str__(self) -> str:
        equal = sum(row.state == "equal" for row in self.rows)
        if self.first is None:
            inside = sum(row.state == "inside" for row in self.rows)
            fused = f", {inside} fused into others" if inside else ""
            return f"layers: {equal} of {len(self.rows)} equal{fused}; no layer differs before the outputs"
        start = max(0, self.rows.index(self.first) - 3)
        shown = self.rows[start : start + 8]
        text = table(
            ("layer", "kind", "shape", "", "most like", "difference"),
            [
                (
                    row.name,
                    row.kind,
                    "x".join(map(str, row.shape)),
                    row.state,
                    row.counterpart or "-",
                    "-" if row.difference is None else f"{row.difference:.1e}",
                )
                for row in shown
            ],
            right=(5,),
        )
        return f"{text}\n{self.words()}"

    def words(self) -> str:
        """Summary in one sentence."""
        if self.first is None:
            return "Every layer has its equal."
        where = f"at {self.first.name} ({self.first.kind})"
        if self.seen is not None and self.seen.name != self.first.name:
            where = f"between {self.first.name} ({self.first.kind}) and {self.seen.name} ({self.seen.kind})"
        size = (
            "" if self.seen is None else f", which differs from {self.seen.counterpart} by {self.seen.difference:.1e}"
        )
        before = "the inputs are" if self.last_equal is None else f"{self.last_equal.name} is"
        return f"They part {where}{size}; {before} still equal."


def find_divergence(first: Steps, second: Steps, differing: dict[str, bool], rounding: float = ROUNDING) -> LayerReport:
    """Find the first layer of `first` that differs from `second`, both run on the same inputs.

    Args:
        first, second: the two runs.
        differing: the outputs of `first` that were compared -> whether they differ.
        rounding: |a - b| / |a| of two tensors that count as equal.
    """
    wanted = 0
    for name in differing:
        wanted |= first.outputs.get(name, 0)
    leading = 0
    for name in [name for name, differs in differing.items() if differs]:
        leading |= first.outputs.get(name, 0)
    others = [_Numbers(step) for step in second.steps if step.values.size >= _FEWEST_NUMBERS]
    nearest: dict[int, tuple[str | None, float | None]] = {}
    equal = 0
    for position, step in enumerate(first.steps):
        if not wanted >> position & 1 or not _is_distinctive(step):
            continue
        nearest[position] = _nearest(_Numbers(step), others, rounding)
        difference = nearest[position][1]
        if difference is not None and difference <= rounding:
            equal |= 1 << position
    behind_equal = 0  # what something equal comes from
    for position, step in enumerate(first.steps):
        if equal >> position & 1:
            behind_equal |= step.ancestors
    rows: dict[int, LayerRow] = {}
    for position, (counterpart, difference) in nearest.items():
        step = first.steps[position]
        parted = leading >> position & 1 and not behind_equal >> position & 1
        state: Literal["equal", "inside", "differs"] = (
            "equal" if equal >> position & 1 else "differs" if parted else "inside"
        )
        rows[position] = LayerRow(step.name, step.kind, step.values.shape, state, counterpart, difference)
    parting = next((position for position, row in rows.items() if row.state == "differs"), None)
    if parting is None:
        return LayerReport(None, None, None, tuple(rows.values()))
    seen = [
        row
        for position, row in rows.items()
        if row.state == "differs"
        and (position == parting or first.steps[position].ancestors >> parting & 1)
        and row.difference is not None
        and row.difference < _UNRELATED
    ]
    before = [row for p, row in rows.items() if row.state == "equal" and first.steps[parting].ancestors >> p & 1]
    return LayerReport(rows[parting], seen[0] if seen else None, before[-1] if before else None, tuple(rows.values()))


def _is_distinctive(step: Step) -> bool:
    """Test that a match is significant: enough floats, not all the same, to be equal by more than chance."""
    values = step.values
    return values.size >= _FEWEST_NUMBERS and values.dtype.kind == "f" and bool(np.ptp(values) > 0)


class _Numbers:
    """A tensor with its order-independent statistics: Euclidean length, sum and size."""

    def __init__(self, step: Step) -> None:
        self.name = step.name
        self.shape = step.values.shape
        self.values = step.values
        number = step.values.dtype.kind in "fiub"
        exact = step.values.astype(np.float64) if number else np.zeros(0)
        self.length = float(np.sqrt(np.square(exact).sum()))
        self.total = float(exact.sum())
        self.size = step.values.size if number else 0


def _nearest(one: _Numbers, others: list[_Numbers], rounding: float) -> tuple[str | None, float | None]:
    """Nearest tensor as (name, relative difference), or the first equal one; (None, None) where none fits."""
    best: tuple[str | None, float | None] = (None, None)
    if not one.length or not math.isfinite(one.length):
        return best
    fits = [other for other in others if other.size == one.size]
    # the likeliest first; by Cauchy-Schwarz no tensor is nearer than its length and its sum allow
    fits.sort(key=lambda other: _least_difference(one, other))
    for other in fits:
        if best[1] is not None and _least_difference(one, other) >= best[1]:
            break
        difference = _difference(one, other)
        if best[1] is None or difference < best[1]:
            best = (other.name, difference)
            if difference <= rounding:
                break
    # of two that are about as near, the one of the same name is meant
    namesake = next((other for other in fits if other.name == one.name), None)
    if namesake is not None and best[1] is not None and namesake.name != best[0]:
        difference = _difference(one, namesake)
        if difference <= max(rounding, 2 * best[1]):
            return namesake.name, difference
    return best


def _least_difference(one: _Numbers, other: _Numbers) -> float:
    """Lower bound of |a - b| / |a| over every order of the numbers, from their lengths and sums."""
    by_length = abs(one.length - other.length)
    by_total = abs(one.total - other.total) / math.sqrt(one.size)
    least = max(by_length, by_total) / one.length
    return least if math.isfinite(least) else math.inf


def _difference(one: _Numbers, other: _Numbers) -> float:
    """Relative difference |a - b| / |a|, the least over all axis permutations that fit."""
    a = one.values.astype(np.float64)
    b = other.values.astype(np.float64)
    arranged = [b.reshape(a.shape)]
    # without axes of length 1, which move freely
    long_a, long_b = ([length for length in shape if length != 1] for shape in (one.shape, other.shape))
    if long_a != long_b and sorted(long_a) == sorted(long_b) and len(long_b) <= _MOST_PERMUTED_AXES:
        squeezed = b.reshape(long_b)
        arranged = [
            squeezed.transpose(order).reshape(a.shape)
            for order in itertools.permutations(range(len(long_b)))
            if [long_b[axis] for axis in order] == long_a
        ]
    found = min(float(np.sqrt(np.square(a - candidate).sum())) for candidate in arranged)
    return found / one.length if math.isfinite(found) else math.inf
