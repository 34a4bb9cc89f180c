"""Outputs of both networks under the names that one network's card gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from exporters.comparing.compared_models import ComparedModel
from runtime.card import ModelCard
from runtime.results import Decoder, find_decoder

__all__ = ["CardView", "aligned", "card_views"]


@dataclass(frozen=True)
class CardView:
    """A card, and what it calls the paired outputs: name -> (output of the first, output of the second)."""

    card: ModelCard
    names: Mapping[str, tuple[str, str]]

    @property
    def decoder(self) -> Decoder:
        """The decoder of the card's task."""
        return find_decoder(self.card.task)

    def arrays(
        self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The outputs of both networks under the card's names."""
        return (
            {name: first[mine] for name, (mine, _) in self.names.items()},
            {name: second[theirs] for name, (_, theirs) in self.names.items()},
        )


def card_views(first: ComparedModel, second: ComparedModel, pairs: Mapping[str, str]) -> list[CardView]:
    """Views of the first's card and of the second's, as far as they have one; `pairs`: output of the first -> of the second."""
    cards = (first.card, second.card)
    return [
        CardView(card, {pair[side]: pair for pair in pairs.items()})
        for side, card in enumerate(cards)
        if card is not None
    ]


def aligned(
    views: list[CardView], first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    """The second's outputs in the order of the first's, as the first card whose task is known has them compared."""
    for view in views:
        if view.decoder.typed:
            found = view.decoder.align(*view.arrays(first, second))
            return {theirs: found[name] for name, (_, theirs) in view.names.items()}
    return second
