"""Check of a card against the file that it lies in: what it says of inputs and outputs must be what the graph takes and gives."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.card import InputCard, ModelCard
from runtime.results.registry import find_decoder
from runtime.session.tensor import Tensor

__all__ = ["card_contradictions"]


def card_contradictions(card: ModelCard, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[str]:
    """What the card and the graph say differently, one sentence each; an empty list where they agree.

    Names of inputs and outputs, dtypes, numbers of axes, fixed lengths, and the number of labels are compared. Nothing is
    allocated or run.
    """
    taken = {tensor.name: tensor for tensor in inputs}
    found = []
    for entry in card.inputs:
        if entry.name in taken:
            found += _of_input(entry, taken[entry.name])
        else:
            found.append(f"The card has the input {entry.name!r}; the graph takes {', '.join(map(repr, taken))}.")
    given = {tensor.name: tensor.shape for tensor in outputs}
    missing = [output.name for output in card.outputs if output.name not in given]
    if missing:
        found.append(f"The card has the output {missing[0]!r}; the graph gives {', '.join(map(repr, given))}.")
    return [*found, *find_decoder(card.task).label_contradictions(card, given)]


def _of_input(card: InputCard, tensor: Tensor) -> list[str]:
    found = [f"The card of the input {card.name!r} is wrong: {clause}." for clause in card.contradictions()]
    if card.fed_dtype != tensor.dtype:
        found.append(f"The card makes {card.fed_dtype} of the input {card.name!r}; the graph takes {tensor.dtype}.")
    # onnxruntime tells a rank of 0 also of an input whose rank the file leaves open
    if not card.has_preparation or not tensor.shape:
        return found
    made = card.binding_shape
    fits = len(made) == len(tensor.shape) - 1 and all(
        mine is None or not isinstance(length, int) or mine == length
        for mine, length in zip(made, tensor.shape[1:], strict=True)
    )
    if not fits:
        shape = ", ".join("any" if length is None else str(length) for length in made)
        expected = ", ".join(map(str, tensor.shape[1:]))
        found.append(
            f"The card makes rows of shape ({shape}) of the input {card.name!r}; the graph takes ({expected})."
        )
    return found
