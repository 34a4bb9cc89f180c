"""Decoding of outputs into results, by the task on the card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from runtime.card import ModelCard
from runtime.results.decoder import Arrays, Result
from runtime.results.failure import Failure
from runtime.results.registry import find_decoder

__all__ = ["Prediction", "decode", "prediction_output"]

Prediction: TypeAlias = Result | Failure


def prediction_output(card: ModelCard) -> str:
    """Name of the first output that the card's task needs.

    Raises:
        CardError: the card names none.
    """
    return find_decoder(card.task).outputs(card)[0]


def decode(outputs: Arrays, card: ModelCard, sources: Sequence[str | None]) -> list[Prediction]:
    """Decode the outputs that the card's task needs, output name -> array (N, ...), into N results.

    Raises:
        CardError: an output has another number of classes than the card has labels.
    """
    return list(find_decoder(card.task).decode(outputs, card, sources))
