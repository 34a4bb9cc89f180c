"""Decoding of outputs into results, by the task on the card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from runtime.card import ModelCard
from runtime.errors import CardError
from runtime.results.classification import Classification, decode_classification
from runtime.results.dense import Dense, decode_dense
from runtime.results.embedding import Embedding, decode_embedding
from runtime.results.failure import Failure
from runtime.results.multilabel import Multilabel, decode_multilabel
from runtime.results.regression import Regression, decode_regression

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Prediction", "decode", "prediction_output"]

Prediction: TypeAlias = Classification | Multilabel | Regression | Dense | Embedding | Failure

_ROLES: dict[str, tuple[str, ...]] = {"regression": ("values",), "embedding": ("embedding",), "raw": ("values",)}

_DECODERS: dict[str, Callable[[npt.NDArray[Any], ModelCard, Sequence[str | None]], Sequence[Prediction]]] = {
    "classification": decode_classification,
    "multilabel": decode_multilabel,
    "regression": decode_regression,
    "dense": decode_dense,
    "embedding": decode_embedding,
    "raw": decode_regression,
}


def prediction_output(card: ModelCard) -> str:
    """Name of the output that answers the card's task.

    Raises:
        CardError: the card names none.
    """
    for role in _ROLES.get(card.task, ("probabilities", "logits")):
        name = card.output(role)
        if name is not None:
            return name
    roles = ", ".join(f"{output.name} ({output.role})" for output in card.outputs) or "none"
    raise CardError(
        f"The model's card has the task {card.task!r} and the outputs {roles}; none of them is a prediction. "
        f"Use .run(...) for its arrays."
    )


def decode(values: npt.NDArray[Any], card: ModelCard, sources: Sequence[str | None]) -> list[Prediction]:
    """Decode the prediction output (N, ...) -> N results.

    Raises:
        CardError: the output has another number of classes than the card has labels.
    """
    return list(_DECODERS[card.task](values, card, sources))
