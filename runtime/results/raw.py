"""Raw: arrays in, arrays out; what they mean is not known."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.card import ModelCard
from runtime.results.decoder import Arrays, Decoder, role_output
from runtime.results.regression import Regression, value_rows

__all__ = ["RawDecoder"]


class RawDecoder(Decoder):
    """Arrays of no known meaning; a card that names one of them the values is predicted as a regression is."""

    name = "raw"
    typed = False
    predicts = False
    # a softmax behind the network is the user's word that its numbers are logits
    activation = "softmax"

    def outputs(self, card: ModelCard) -> tuple[str, ...]:
        """The values. Raises CardError for a card without."""
        return (role_output(card, ("values",)),)

    def decode(self, outputs: Arrays, card: ModelCard, sources: Sequence[str | None]) -> list[Regression]:
        """Decode values (N, T) -> N results. Raises CardError where the names on the card are not T."""
        return value_rows(outputs[self.outputs(card)[0]], card, sources)

    def summary(self, card: ModelCard) -> str:
        """One sentence for the model's page."""
        return "A network that takes arrays and gives arrays; what they mean is not told."


DECODER = RawDecoder()
