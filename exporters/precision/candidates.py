"""Candidates: files of one network in several precisions, with measurements and verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporters.precision.latency import Latency
from exporters.precision.quality import Quality
from runtime.console import bytes_text, one_line, seconds_text, table

__all__ = ["Candidate", "Comparison"]


@dataclass
class Candidate:
    """One file in one precision, with its measurements.

    Attributes:
        name: such as "int8"; unique in a comparison.
        path: the file; None where it could not be made.
        how: its conversion, in words.
        bytes: its size.
        quality: on the evaluation data.
        latency: of one row.
        problem: reason for rejection; empty where it is acceptable.
        floats: names of the layers that stay in float.
    """

    name: str
    path: Path | None
    how: str = ""
    bytes: int = 0
    quality: Quality | None = None
    latency: Latency | None = None
    problem: str = ""
    floats: tuple[str, ...] = ()


@dataclass
class Comparison:
    """Comparison of the candidates with the float32 file, which comes first.

    Attributes:
        candidates: in the order they were tried.
        measure: name of `Quality.right`, or of `Quality.alike` without labels.
        max_drop: points that may be lost.
        notes: the calibration and evaluation data, in words.
        chosen: the name of the chosen file; empty where none was.
    """

    candidates: list[Candidate]
    measure: str
    max_drop: float
    notes: tuple[str, ...]
    chosen: str = ""

    @property
    def base(self) -> Candidate:
        """The float32 file."""
        return self.candidates[0]

    def drop(self, candidate: Candidate) -> float:
        """Percentage points that a candidate loses against float32."""
        assert candidate.quality is not None and self.base.quality is not None
        return 0.0 if candidate is self.base else candidate.quality.drop_from(self.base.quality)

    def worse(self, candidate: Candidate) -> bool:
        """True where a candidate loses more than `max_drop`, with a margin of 1e-6 points for rounding."""
        return not self.drop(candidate) <= self.max_drop + 1e-6

    def ratio(self, candidate: Candidate) -> float | None:
        """Latency as a ratio of float32's, over both numbers of threads; None where it was not measured."""
        return None if candidate.latency is None else candidate.latency.ratio

    def judge(self, *, may_be_slower: bool = False) -> None:
        """Set `problem` of each unacceptable candidate. `may_be_slower`: accept candidates slower than float32."""
        for candidate in self.candidates[1:]:
            if candidate.problem or candidate.path is None:
                continue
            ratio = self.ratio(candidate)
            if self.worse(candidate):
                candidate.problem = _loss_words(candidate.name, self.drop(candidate), self.max_drop)
            elif candidate.bytes >= self.base.bytes:
                candidate.problem = "is not smaller than fp32"
            elif ratio is not None and ratio >= 1 and not may_be_slower:
                candidate.problem = f"is not faster than fp32: {ratio:.2f} times its latency"

    def __str__(self) -> str:
        """Table of the candidates, followed by the notes on the data."""
        rows = [self._row(candidate) for candidate in self.candidates]
        header = ("precision", self.measure, "drop", "as fp32", "size", "", "latency", "1 thread", "ratio", "")
        return "\n".join((table(header, rows, right=(1, 2, 3, 4, 5, 6, 7, 8)), *map(one_line, self.notes)))

    def _row(self, candidate: Candidate) -> tuple[str, ...]:
        latency, ratio = candidate.latency, self.ratio(candidate)
        if candidate.quality is None:
            measured = ("", "", "")
        else:
            shown = candidate.quality.alike if candidate.quality.right is None else candidate.quality.right
            measured = (f"{shown:.2f}", f"{self.drop(candidate):.2f}", f"{candidate.quality.alike:.2f}")
        verdict = "kept" if candidate.name == self.chosen else candidate.problem
        return (
            candidate.name,
            *measured,
            bytes_text(candidate.bytes) if candidate.bytes else "",
            f"{candidate.bytes / self.base.bytes:.2f}" if candidate.bytes else "",
            "" if latency is None else seconds_text(latency.default),
            "" if latency is None else seconds_text(latency.single),
            "" if ratio is None else f"{ratio:.2f}",
            verdict,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON and the report."""
        return {
            "chosen": self.chosen,
            "measure": self.measure,
            "max_drop": self.max_drop,
            "notes": list(self.notes),
            "candidates": [self._facts(candidate) for candidate in self.candidates],
            "table": str(self),
        }

    def _facts(self, candidate: Candidate) -> dict[str, Any]:
        quality, latency = candidate.quality, candidate.latency
        return {
            "name": candidate.name,
            "how": candidate.how,
            "bytes": candidate.bytes,
            "right": None if quality is None else quality.right,
            "alike": None if quality is None else quality.alike,
            "error": None if quality is None else quality.error,
            "drop": None if quality is None else self.drop(candidate),
            "latency": None if latency is None else latency.default,
            "latency_one_thread": None if latency is None else latency.single,
            "latency_ratio": self.ratio(candidate),
            "float_layers": list(candidate.floats),
            "problem": candidate.problem,
        }


# Points lost beyond which the numbers say nothing.
_MOST_POINTS = 1000.0


def _loss_words(name: str, lost: float, allowed: float) -> str:
    if lost <= _MOST_POINTS:
        return f"loses {lost:.2f} points; {allowed:g} are allowed"
    overflow = ": numbers within it overflow 16 bits, whose greatest is 65,504" if name == "fp16" else ""
    return f"gives outputs that have nothing to do with those of fp32{overflow}"
