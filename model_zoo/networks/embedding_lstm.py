"""A language model: embedded tokens, an LSTM, and logits for the token that comes next."""

from __future__ import annotations

import torch

from model_zoo.layers.recurrent import LSTM

__all__ = ["EmbeddingLSTM", "Hidden"]

# (h, c), each (num_layers, N, hidden) float32
Hidden = tuple[torch.Tensor, torch.Tensor]


class EmbeddingLSTM(torch.nn.Module):
    """(N, L) int64 tokens -> (N, L, vocabulary) logits; step i depends on the tokens up to i.

    Args:
        vocabulary: number of tokens.
        embedding: features of a token.
        hidden: features of the LSTM's state.
        num_layers: layers of the LSTM.
        padding_idx: the padding token; it is skipped at any position, and its vector stays zero.
    """

    def __init__(
        self, vocabulary: int, embedding: int, hidden: int, num_layers: int = 1, *, padding_idx: int | None = None
    ) -> None:
        super().__init__()
        if padding_idx is not None and not 0 <= padding_idx < vocabulary:
            raise ValueError(f"padding_idx={padding_idx} is no token: the vocabulary has 0 to {vocabulary - 1}.")
        self.padding_idx = padding_idx
        self.embedding = torch.nn.Embedding(vocabulary, embedding, padding_idx=padding_idx)
        self.lstm = LSTM(embedding, hidden, num_layers)
        self.linear = torch.nn.Linear(hidden, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, L) int64 -> (N, L, vocabulary) logits."""
        mask = None if self.padding_idx is None else tokens != self.padding_idx
        logits: torch.Tensor = self.linear(self.lstm(self.embedding(tokens), mask))
        return logits

    def step(self, tokens: torch.Tensor, hidden: Hidden | None = None) -> tuple[torch.Tensor, Hidden]:
        """One generation step, one token per row: (N,) int64 and the last state -> ((N, vocabulary) logits, new state).

        Args:
            tokens: the previous tokens; no padding.
            hidden: the state that the previous step returned; None at the beginning.
        """
        output, after = self.lstm.core(self.embedding(tokens)[:, None], hidden)
        return self.linear(output[:, 0]), after
