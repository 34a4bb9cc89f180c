"""Decoder: what one task makes of a network's outputs, from the export over a comparison to the typed results."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

from runtime.card import STEP_ROLES, ModelCard
from runtime.errors import CardError
from runtime.results.fidelity import determination, share
from runtime.results.scores import class_axis, not_finite
from runtime.results.script import RANGES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

__all__ = ["Arrays", "Decoder", "Result", "Runner", "role_output"]

# Output name -> array (N, ...).
Arrays: TypeAlias = Mapping[str, "npt.NDArray[Any]"]


class Result(Protocol):
    """The answer for one input."""

    @property
    def source(self) -> str | None:
        """The file, text or row that it came from, or None."""

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON; `top` is the number of entries where there are many."""

    def text_cells(self, top: int) -> tuple[Sequence[str], Sequence[str]]:
        """(column names, cells) of a line of text."""

    def csv_cells(self, top: int) -> tuple[Sequence[str], Sequence[str]]:
        """(column names, cells) of a line of CSV."""

    def draw(self, picture: Image.Image) -> Image.Image:
        """A new RGB picture: `picture` with the answer on it or below it."""


class Runner(Protocol):
    """What runs a file on arrays: a session."""

    def run(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, npt.NDArray[Any]]:
        """Run on arrays: input name -> array, output name -> array."""


class Decoder(ABC):
    """One task on the runtime floor; `runtime.results.register_decoder` makes it known.

    The defaults are those of a task whose module returns a mapping name -> tensor (N, ...): the file has these outputs, and
    `decode` is given all of them.

    Attributes:
        name: of the task, as it stands on a card.
        roles: roles that its outputs may have on a card beyond the known ones (`runtime.card.ROLES`).
        typed: what the outputs mean is known; False of plain arrays.
        named_by_module: the file's outputs are called as the module's results are; False where one tensor is expected of the
            module, and the outputs made of it are called by their role.
        exported: outputs of every export, where they are called by their role; `on_request`: those that may be asked for besides.
        result_axes: numbers of axes that the module's one tensor may have; `result_shape`: its shape in words.
        result_role: role of that tensor.
        activation: what makes probabilities of the module's scores; None where they are none.
        predicts: the answer to one input says something by itself, so that the model's page shows `predict`.
        per_position: there is an answer at each position, so that lengths, heights and widths are naturally dynamic.
        answer_is_label: the right answer of an input is one of the card's labels: the name of its folder, or a table's last
            column. `label_per_column`: it lies in a table's columns of the labels' names.
        measure: name of `score` in a table; None where nothing can be right. `likeness`: that of `alike`.
        frequencies_matter: its probabilities are off where classes are otherwise frequent than in training.
    """

    name: ClassVar[str]
    roles: ClassVar[tuple[str, ...]] = ()
    typed: ClassVar[bool] = True
    named_by_module: ClassVar[bool] = True
    exported: ClassVar[tuple[str, ...]] = ()
    on_request: ClassVar[tuple[str, ...]] = ()
    result_axes: ClassVar[tuple[int, ...]] = (2,)
    result_shape: ClassVar[str] = "(N, K)"
    result_role: ClassVar[str] = "raw"
    activation: ClassVar[Literal["softmax", "sigmoid"] | None] = None
    predicts: ClassVar[bool] = True
    per_position: ClassVar[bool] = False
    answer_is_label: ClassVar[bool] = False
    label_per_column: ClassVar[bool] = False
    measure: ClassVar[str | None] = None
    likeness: ClassVar[str] = "R² against fp32"
    frequencies_matter: ClassVar[bool] = False

    def role(self, name: str) -> str:
        """Role of an output that the module names: its own name where it is one of `roles`, else "raw"."""
        return name if name in self.roles else "raw"

    def outputs(self, card: ModelCard) -> tuple[str, ...]:
        """Outputs that `decode` needs: all but those of steps behind the network. Raises CardError where one is missing."""
        return tuple(output.name for output in card.outputs if output.role not in STEP_ROLES)

    def run(self, session: Runner, feeds: Arrays, card: ModelCard) -> dict[str, npt.NDArray[Any]]:
        """Run one batch: input name -> array (N, ...); returns output name -> array (N, ...), for `decode`."""
        return session.run(feeds, self.outputs(card))

    @abstractmethod
    def decode(self, outputs: Arrays, card: ModelCard, sources: Sequence[str | None]) -> Sequence[Result]:
        """Decode the outputs, (N, ...) each -> N results. Raises CardError where they do not fit the card."""

    def unanswered(self, outputs: Arrays, card: ModelCard) -> dict[int, str]:
        """Rows to which the network gives no answer: row -> why, such as "NaN in 10 of the 10 numbers of 'probabilities'".

        A NaN is none, nor is an infinite number; but of logits, an infinite one that leaves finite probabilities is.
        """
        logits = None if self.activation is None else card.output("logits")
        found: dict[int, str] = {}
        for name in self.outputs(card):
            if name in outputs:
                broken = not_finite(outputs[name], self.activation if name == logits else None)
                found = {**{row: f"{words} of {name!r}" for row, words in broken.items()}, **found}
        return found

    def label_contradictions(self, card: ModelCard, shapes: Mapping[str, Sequence[int | str]]) -> list[str]:
        """Sentences on outputs of another width than the card has labels.

        Args:
            card: of the file.
            shapes: the graph's, output name -> lengths, a text where an axis may have any.
        """
        found = []
        for role in ("probabilities", "logits", "values"):
            name = card.output(role)
            shape = shapes.get(name or "", ())
            if name is None or name not in self._needed(card) or not card.labels or len(shape) < 2:
                continue
            axes = [class_axis(len(shape))] if self.per_position else range(1, len(shape))
            lengths = [shape[axis] for axis in axes if axis < len(shape)]
            width = math.prod(length for length in lengths if isinstance(length, int))
            if all(isinstance(length, int) for length in lengths) and width != len(card.labels):
                found.append(
                    f"The card has {len(card.labels)} labels; the graph's output {name!r} has {width} numbers a row."
                )
        return found

    def _needed(self, card: ModelCard) -> tuple[str, ...]:
        """`outputs`, none where the card lacks one."""
        try:
            return self.outputs(card)
        except CardError:
            return ()

    def align(self, reference: Arrays, outputs: Arrays) -> Arrays:
        """`outputs` in the order of `reference`, before a comparison place by place."""
        return outputs

    def decisions(self, outputs: Arrays, card: ModelCard) -> npt.NDArray[Any] | None:
        """Labels decided on, per row or position: int64 (N, ...); None where no output holds scores of classes."""
        scores = self._scores(outputs, card)
        if scores is None:
            return None
        found: npt.NDArray[np.int64] = scores[1].argmax(class_axis(scores[1].ndim))
        return found

    def agreement(self, reference: Arrays, outputs: Arrays, card: ModelCard) -> npt.NDArray[np.bool_] | None:
        """Label agreement, bool (N, ...); None where there are no labels, or where the shapes differ."""
        one, other = self.decisions(reference, card), self.decisions(outputs, card)
        if one is None or other is None or one.shape != other.shape:
            return None
        same: npt.NDArray[np.bool_] = one == other
        return same

    def alike(self, reference: Arrays, outputs: Arrays, card: ModelCard) -> float:
        """Likeness to a reference in percent, 100 is best: the least R² of any output."""
        return min((determination(reference[name], outputs[name]) for name in reference), default=100.0)

    def score(self, outputs: Arrays, targets: npt.NDArray[Any], card: ModelCard) -> float | None:
        """Right answers in percent, 100 is best; None where nothing can be right."""
        return None

    def summary(self, card: ModelCard) -> str:
        """One sentence for the model's page."""
        return f"A network for the task {self.name}."

    def script_lines(self, card: ModelCard) -> list[str]:
        """Body of `describe(outputs, row)` in a bundle's run.py, which has NumPy as np and the card as CARD."""
        return list(RANGES)

    def _scores(self, outputs: Arrays, card: ModelCard) -> tuple[str, npt.NDArray[Any]] | None:
        """(role, array (N, ...)) of the scores of classes: the probabilities, else the logits."""
        for role in ("probabilities", "logits"):
            name = card.output(role)
            if name is not None and name in outputs:
                return (role, outputs[name]) if outputs[name].ndim > 1 else None
        return None

    def _labels_alike(self, reference: Arrays, outputs: Arrays, card: ModelCard) -> float:
        """`alike` of a task with labels: the share of equal ones."""
        same = self.agreement(reference, outputs, card)
        return 0.0 if same is None else share(same)


def role_output(card: ModelCard, roles: Sequence[str]) -> str:
    """Name of the first output with the first of these roles that the card has.

    Raises:
        CardError: the card has none of them.
    """
    for role in roles:
        name = card.output(role)
        if name is not None:
            return name
    shown = ", ".join(f"{output.name} ({output.role})" for output in card.outputs) or "none"
    raise CardError(
        f"The model's card has the task {card.task!r} and the outputs {shown}; none of them is a prediction. "
        f"Use .run(...) in Python for its arrays."
    )
