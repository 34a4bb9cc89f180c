"""Self-attention and the encoder: torch's numbers, the same in training and evaluation, deaf to padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from model_zoo import MultiheadAttention, TransformerEncoder, TransformerEncoderLayer
from model_zoo.layers.positions import LearnedPositions, SinusoidalPositions, sinusoids

MASK = torch.tensor(
    [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=torch.bool
)
ENCODERS: list[dict[str, Any]] = [
    {},
    {"norm_first": True},
    {"activation": "gelu", "positional": "learned", "length": 5},
    {"causal": True, "positional": "none"},
]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_attention_is_torchs_with_the_same_weights(causal: bool, bias: bool) -> None:
    ours = MultiheadAttention(8, 2, causal=causal, bias=bias)
    theirs = torch.nn.MultiheadAttention(8, 2, bias=bias, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(4, 5, 8)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1) if causal else None
    expected, _ = theirs(x, x, x, attn_mask=later, need_weights=False)
    torch.testing.assert_close(ours(x), expected, rtol=1e-5, atol=1e-6)
    real = MASK[:4]
    if not causal:
        expected, _ = theirs(x, x, x, key_padding_mask=~real, need_weights=False)
        torch.testing.assert_close(ours(x, real), expected * real[:, :, None], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_encoder_layer_is_torchs_with_the_same_weights(norm_first: bool, activation: Any) -> None:
    ours = TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation=activation, norm_first=norm_first)
    theirs = torch.nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, activation=activation, norm_first=norm_first, batch_first=True
    )
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(4, 5, 8)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-6)
    theirs_masked = theirs(x, src_key_padding_mask=~MASK[:4])
    torch.testing.assert_close(ours(x, MASK[:4])[MASK[:4]], theirs_masked[MASK[:4]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", ENCODERS)
def test_training_and_evaluation_give_the_same_numbers(options: dict[str, Any]) -> None:
    encoder = TransformerEncoder(8, 2, 2, 16, dropout=0.0, **options)
    x = torch.randn(5, 5, 8)
    for mask in (None, MASK):
        trained = encoder.train()(x, mask)
        with torch.no_grad():
            torch.testing.assert_close(encoder.eval()(x, mask), trained.detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", ENCODERS)
def test_padded_steps_influence_no_real_one_and_come_out_as_zeros(options: dict[str, Any], training: bool) -> None:
    encoder = TransformerEncoder(8, 2, 2, 16, dropout=0.0, **options).train(training)
    x = torch.randn(5, 5, 8)
    changed = torch.where(MASK[:, :, None], x, torch.randn(5, 5, 8) * 100)
    first, second = encoder(x, MASK), encoder(changed, MASK)
    assert torch.equal(first, second)
    assert bool((first[~MASK] == 0).all())
    assert not first.isnan().any()


def test_padding_behind_changes_nothing() -> None:
    encoder = TransformerEncoder(8, 2, 2, 16, dropout=0.0).eval()
    x = torch.randn(1, 5, 8)
    torch.testing.assert_close(encoder(x, MASK[:1])[:, :3], encoder(x[:, :3]), rtol=0, atol=1e-6)


def test_a_causal_step_does_not_know_what_follows() -> None:
    encoder = TransformerEncoder(8, 2, 2, 16, dropout=0.0, causal=True)
    x = torch.randn(2, 5, 8)
    changed = x.clone()
    changed[:, 3:] = torch.randn(2, 2, 8)
    before, after = encoder(x), encoder(changed)
    torch.testing.assert_close(before[:, :3], after[:, :3], rtol=0, atol=1e-6)
    assert not torch.allclose(before[:, 3:], after[:, 3:])


@pytest.mark.parametrize("mask", [None, MASK])
def test_gradients_are_numbers_and_reach_every_weight(mask: torch.Tensor | None) -> None:
    encoder = TransformerEncoder(8, 2, 2, 16, positional="learned", length=5)
    (encoder(torch.randn(5, 5, 8), mask) * torch.randn(5, 5, 8)).sum().backward()
    for name, weight in encoder.named_parameters():
        assert weight.grad is not None, name
        assert bool(weight.grad.isfinite().all()), name
        assert weight.grad.abs().sum() > 0, name


def test_sinusoids_are_the_papers() -> None:
    table = sinusoids(torch.arange(50), 7)
    assert table.shape == (50, 7)
    for position, feature in ((0, 0), (0, 1), (3, 2), (49, 5), (17, 6)):
        angle = torch.tensor(position / 10_000 ** (2 * (feature // 2) / 7), dtype=torch.float64)
        expected = angle.cos() if feature % 2 else angle.sin()
        assert abs(float(table[position, feature]) - float(expected)) < 1e-5


def test_sinusoidal_positions_go_on_for_ever_and_learned_ones_say_where_they_end() -> None:
    assert SinusoidalPositions()(torch.zeros(1, 3000, 4)).shape == (1, 3000, 4)
    learned = LearnedPositions(3, 4)
    assert learned(torch.zeros(2, 2, 4)).shape == (2, 2, 4)
    with pytest.raises(ValueError, match=r"reach to 3 steps; a sequence of 4 was given\. Use sinusoidal ones"):
        learned(torch.zeros(1, 4, 4))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"size \(=8\) must be divisible by num_heads \(=3\)"):
        MultiheadAttention(8, 3)
    with pytest.raises(ValueError, match="Learned positions need the length"):
        TransformerEncoder(8, 2, positional="learned")
