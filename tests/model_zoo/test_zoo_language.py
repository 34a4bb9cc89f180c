"""The language model writes step by step what it reads at once, and the recogniser of movements is its long form."""

from __future__ import annotations

import pytest
import torch

from model_zoo import LSTM, ActionModel, EmbeddingLSTM


@pytest.mark.parametrize("padding_idx", [None, 0])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_steps_give_what_the_whole_sequence_gives(num_layers: int, padding_idx: int | None) -> None:
    torch.manual_seed(0)
    model = EmbeddingLSTM(9, 5, 6, num_layers, padding_idx=padding_idx).eval()
    tokens = torch.randint(1, 9, (3, 7))
    whole = model(tokens)
    assert whole.shape == (3, 7, 9)
    hidden = None
    for step in range(7):
        logits, hidden = model.step(tokens[:, step], hidden)
        assert logits.shape == (3, 9)
        torch.testing.assert_close(logits, whole[:, step], rtol=1e-5, atol=1e-6)
    assert [state.shape for state in hidden or ()] == [(num_layers, 3, 6)] * 2


def test_padding_in_front_is_skipped() -> None:
    torch.manual_seed(0)
    model = EmbeddingLSTM(9, 5, 6, padding_idx=8).eval()
    tokens = torch.tensor([[1, 2, 3]])
    padded = torch.tensor([[8, 8, 1, 2, 3]])
    torch.testing.assert_close(model(padded)[:, 2:], model(tokens), rtol=1e-5, atol=1e-6)
    assert bool((model.embedding.weight[8] == 0).all())


def test_a_padding_index_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="padding_idx=9 is no token: the vocabulary has 0 to 8"):
        EmbeddingLSTM(9, 5, 6, padding_idx=9)


def test_it_learns_a_sentence_by_heart() -> None:
    torch.manual_seed(0)
    sentence = torch.tensor([[3, 1, 4, 1, 5, 2, 6, 5, 3]])
    model = EmbeddingLSTM(7, 8, 24)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(120):
        loss = torch.nn.functional.cross_entropy(model(sentence[:, :-1]).flatten(0, 1), sentence[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    written, hidden = [sentence[:, 0]], None
    for _ in range(8):
        logits, hidden = model.step(written[-1], hidden)
        written.append(logits.argmax(1))
    assert torch.equal(torch.stack(written, dim=1), sentence)


@pytest.mark.parametrize("training", [True, False])
def test_the_action_model_is_a_last_step_and_a_normalisation(training: bool) -> None:
    torch.manual_seed(0)
    model = ActionModel(12, 8).train(training)
    long_form = torch.nn.Sequential(LSTM(12, 8, last_step=True), torch.nn.BatchNorm1d(8)).train(training)
    for part, other in zip(long_form, (model.lstm, model.norm), strict=True):
        part.load_state_dict(other.state_dict())
    x = torch.randn(4, 30, 12)
    assert model(x).shape == (4, 8)
    torch.testing.assert_close(model(x), long_form(x), rtol=0, atol=1e-6)
