"""Difference of two outputs over all runs: absolute, relative, root mean square."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from exporters.settings import Tolerance
from exporters.verifying.units import PLAIN, Units

__all__ = ["OutputDifference", "OutputStatistics"]


@dataclass(frozen=True)
class OutputDifference:
    """Difference of one pair of outputs.

    Attributes:
        first, second: the output names.
        absolute: the worst |a - b|; infinite where one is NaN or infinite and the other is not.
        relative: the worst |a - b| over the greatest |a| of the same run.
        root_mean_square: |a - b| / |a|, lengths of the whole outputs as vectors, over all runs.
        allowed: the root-mean-square limit where one is set, else the absolute limit where `absolute` was found.
        where: the run and the position of the worst difference, with both numbers.
        problem: reason for failing, in words, or None where the outputs agree.
        nans: numbers that are NaN in both.
    """

    first: str
    second: str
    absolute: float
    relative: float
    root_mean_square: float
    allowed: float
    where: str
    problem: str | None
    nans: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return dict(vars(self))


class OutputStatistics:
    """Accumulator of the differences of one pair of outputs."""

    def __init__(self, first: str, second: str, tolerance: Tolerance, units: Units = PLAIN) -> None:
        self.first, self.second, self.tolerance, self.units = first, second, tolerance, units
        self._absolute = self._relative = 0.0
        self._excess = -math.inf
        self._allowed = tolerance.absolute
        self._where = ""
        self._squares = [0.0, 0.0]
        self._problem: str | None = None
        self._nans = self._numbers = 0

    def add(self, label: str, first: np.ndarray, second: np.ndarray) -> None:
        """Add both outputs of one run."""
        if first.shape != second.shape or first.dtype.kind != second.dtype.kind:
            self._problem = self._problem or (
                f"The output {self._named()} at {label} is {first.dtype} {first.shape} in the first and {second.dtype} "
                f"{second.shape} in the second."
            )
            self._absolute = self._relative = math.inf
            return
        if not first.size:
            return
        if first.dtype.kind not in "fiub":
            if not np.array_equal(first, second):
                self._problem = self._problem or f"The output {self._named()} at {label} has other values."
            return
        a, b = first.astype(np.float64), second.astype(np.float64)
        finite = np.isfinite(a) & np.isfinite(b)
        self._nans += int((np.isnan(a) & np.isnan(b)).sum())
        self._numbers += a.size
        same = finite | (a == b) | (np.isnan(a) & np.isnan(b))
        difference = np.where(
            finite, np.abs(np.where(finite, a, 0) - np.where(finite, b, 0)), np.where(same, 0, np.inf)
        )
        scale = float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
        worst = float(difference.max())
        exact = np.where(finite, a, 0)
        allowed = self.units.allowed(exact, self.tolerance)
        excess = difference - allowed
        if float(excess.max()) > self._excess:
            place = tuple(int(axis) for axis in np.unravel_index(excess.argmax(), difference.shape))
            self._excess = float(excess[place])
            self._allowed = float(np.broadcast_to(allowed, difference.shape)[place])
            self._where = f"{label}, position {place}: {a[place]:.6g} and {b[place]:.6g}"
        self._absolute = max(self._absolute, worst)
        self._relative = max(self._relative, worst / scale if scale else (0.0 if worst == 0 else math.inf))
        for position, square in enumerate(self.units.squares(exact, difference)):
            self._squares[position] += square

    def done(self) -> OutputDifference:
        """Difference over all runs added."""
        length, reference = (math.sqrt(value) for value in self._squares)
        mean = length / reference if reference else (0.0 if length == 0 else math.inf)
        limit = self.tolerance.root_mean_square
        allowed = self._allowed if limit is None else limit
        problem = self._problem
        if problem is None and self._numbers and self._nans == self._numbers:
            problem = f"The output {self._named()} is NaN throughout in both, so that there is nothing to compare."
        if problem is None and limit is not None and not mean <= limit:
            problem = f"The output {self._named()} differs by {mean:.3g} of its length (root mean square); up to {limit:.3g} is allowed."
        if problem is None and limit is None and self._excess > 0:
            problem = f"The output {self._named()} differs by {self._absolute:.3g} at {self._where}; up to {allowed:.3g} is allowed."
        return OutputDifference(
            self.first, self.second, self._absolute, self._relative, mean, allowed, self._where, problem, self._nans
        )

    def _named(self) -> str:
        return repr(self.first) if self.first == self.second else f"{self.first!r} ({self.second!r} in the second)"
