"""Result of a comparison, as a table and as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from exporters.comparing.agreement import Agreement
from exporters.comparing.differences import OutputDifference
from exporters.comparing.layers import LayerReport
from exporters.settings import Tolerance
from runtime.console import one_line, table, written_lines

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """Result of running two networks on the same inputs; `str()` gives the table.

    Attributes:
        first, second: their names.
        outputs: one entry per pair of outputs.
        shapes: every shape that was run, in words.
        rows: number of inputs over all runs.
        tolerance: the allowed difference.
        card_differences: fields in which the cards differ, in words.
        agreement: of labels; None where there are none.
        layers: the layer report; None where it was not asked for.
        notes: deviations from the expected procedure.
    """

    first: str
    second: str
    outputs: tuple[OutputDifference, ...]
    shapes: tuple[str, ...]
    rows: int
    tolerance: Tolerance
    card_differences: tuple[str, ...] = ()
    agreement: Agreement | None = None
    layers: LayerReport | None = None
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """Failure reasons in words; empty where the networks agree within the tolerance."""
        found = [*self.card_differences, *(entry.problem for entry in self.outputs if entry.problem is not None)]
        least, agreement = self.tolerance.min_agreement, self.agreement
        if least is not None and agreement is None:
            found.append(
                "An agreement of labels was asked for, but neither has a card that names probabilities or logits. Leave "
                "--min-agreement out, or export with --task classification."
            )
        if least is not None and agreement is not None and agreement.share < least:
            found.append(
                f"They give the same label to {agreement.share:.2%} of {agreement.answers:,} answers; at least {least:.2%} is asked for."
            )
        return found

    @property
    def passed(self) -> bool:
        """True where the networks agree within the tolerance."""
        return not self.problems

    @property
    def worst_difference(self) -> float:
        """Worst absolute difference over all outputs."""
        return max((entry.absolute for entry in self.outputs), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON; a limit that is not there is null."""
        limits = vars(self.tolerance)
        return {
            "first": self.first,
            "second": self.second,
            "passed": self.passed,
            "problems": self.problems,
            "outputs": [entry.to_dict() for entry in self.outputs],
            "shapes": list(self.shapes),
            "rows": self.rows,
            "tolerance": {
                name: value if value is None or math.isfinite(value) else None for name, value in limits.items()
            },
            "agreement": None if self.agreement is None else self.agreement.to_dict(),
            "layers": None if self.layers is None else self.layers.to_dict(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        rows = [
            (
                entry.first if entry.first == entry.second else f"{entry.first} = {entry.second}",
                f"{entry.absolute:.1e}",
                f"{entry.relative:.1e}",
                f"{entry.root_mean_square:.1e}",
                f"{entry.allowed:.1e}",
                "same" if entry.problem is None else "DIFFERENT",
            )
            for entry in self.outputs
        ]
        header = ("output", "worst absolute", "worst relative", "root mean square", "allowed", "")
        parts = [table(header, rows, right=(1, 2, 3, 4))]
        if self.agreement is not None:
            parts.append(self._agreement_words(self.agreement))
        if self.layers is not None:
            parts.append(str(self.layers))
        parts.append(written_lines(f"note: {note}" for note in self.notes))
        return "\n".join(part for part in parts if part)

    def closing(self) -> str:
        """One-line summary of the runs."""
        more = f", and {len(self.shapes) - 12} shapes more" if len(self.shapes) > 12 else ""
        verdict = "the same" if self.passed else "not the same"
        runs = ", ".join(self.shapes[:12]) + more
        return one_line(f"{verdict}: {self.first} and {self.second} on {self.rows:,} inputs: {runs}")

    def _agreement_words(self, agreement: Agreement) -> str:
        words = f"labels: {agreement.share:.2%} of {agreement.answers:,} answers are the same"
        if agreement.accuracy is not None:
            words += (
                f"; right are {agreement.accuracy[0]:.2%} of the first and {agreement.accuracy[1]:.2%} of the second"
            )
        examples = [f"  {source}: {first} and {second}" for source, first, second in agreement.examples]
        return written_lines([words, *examples])
