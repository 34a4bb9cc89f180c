"""The built network knows its logits from its probabilities, and carries masks and places beside the tensor."""

from __future__ import annotations

import pytest
import torch

from model_zoo.layers.global_pool import GlobalAvgPool
from model_zoo.layers.shaping import LastStep, Permute
from model_zoo.layers.token_embedding import Masking, TokenEmbedding
from model_zoo.layers.unpool import MaxUnpool
from toolkit.builder.network import ForwardState, Network, step


@pytest.mark.parametrize(
    ("last", "name"),
    [(torch.nn.Softmax(1), "softmax"), (torch.nn.LogSoftmax(1), "logsoftmax"), (torch.nn.Sigmoid(), "sigmoid")],
)
def test_logits_leave_what_it_ends_in_out(last: torch.nn.Module, name: str) -> None:
    linear = torch.nn.Linear(4, 3)
    network, x = Network(linear, last), torch.rand(5, 4)
    assert network.ends_in == name
    torch.testing.assert_close(network.logits(x), linear(x), rtol=0, atol=0)
    torch.testing.assert_close(network(x), last(linear(x)), rtol=0, atol=0)


@pytest.mark.parametrize("last", [torch.nn.ReLU(), torch.nn.Linear(4, 4)])
def test_without_a_known_ending_logits_are_the_output(last: torch.nn.Module) -> None:
    network, x = Network(torch.nn.Linear(4, 4), torch.nn.Softmax(1), last), torch.rand(5, 4)
    assert network.ends_in is None
    assert torch.equal(network.logits(x), network(x))


def test_an_empty_network_gives_its_input() -> None:
    x = torch.rand(2, 3)
    assert Network().ends_in is None
    assert torch.equal(Network().logits(x), x)


class Seen(torch.nn.Module):
    """Remembers the mask it was given."""

    takes_mask = True

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        self.mask = mask
        return x


def test_an_embeddings_mask_reaches_the_layers_behind_until_a_step_is_left() -> None:
    first, second = Seen(), Seen()
    network = Network(
        TokenEmbedding(5, 4, padding_idx=0), torch.nn.Linear(4, 3), torch.nn.ReLU(), first, LastStep(), second
    )
    tokens = torch.tensor([[1, 2, 0], [3, 0, 0]])
    result = network(tokens)
    assert first.mask is not None
    assert first.mask.tolist() == [[True, True, False], [True, False, False]]
    assert second.mask is None
    steps = network[:4](tokens)
    assert torch.equal(result, torch.stack([steps[0, 1], steps[1, 0]]))  # the last real step of each


def test_without_a_padding_token_there_is_no_mask() -> None:
    seen = Seen()
    Network(TokenEmbedding(5, 4), seen)(torch.tensor([[1, 0]]))
    assert seen.mask is None


@pytest.mark.parametrize("between", [torch.nn.Flatten(), Permute((0, 2, 1)), torch.nn.Conv1d(3, 2, 2)])
def test_what_is_no_sequence_any_more_ends_the_mask(between: torch.nn.Module) -> None:
    seen = Seen()
    Network(Masking(), between, seen)(torch.zeros(2, 3, 4))
    assert seen.mask is None


def test_masks_of_two_layers_are_joined() -> None:
    seen = Seen()
    x = torch.tensor([[[1.0], [2.0], [0.0]]])
    Network(Masking(0.0), Masking(2.0), seen)(x)
    assert seen.mask is not None
    assert seen.mask.tolist() == [[True, False, False]]


def test_masked_steps_become_zero() -> None:
    x = torch.tensor([[[7.0, 7.0], [7.0, 1.0]]])
    assert Masking(7.0)(x).tolist() == [[[0.0, 0.0], [7.0, 1.0]]]


def test_pools_are_undone_like_a_stack() -> None:
    outer, inner = torch.nn.MaxPool2d(2, return_indices=True), torch.nn.MaxPool2d(3, return_indices=True)
    network = Network(outer, inner, MaxUnpool(2), MaxUnpool(2))
    x = torch.rand(2, 3, 13, 12)
    once, first = outer(x)
    twice, second = inner(once)
    back = torch.nn.functional.max_unpool2d(twice, second, 3, output_size=once.shape[2:])
    expected = torch.nn.functional.max_unpool2d(back, first, 2, output_size=x.shape[2:])
    assert torch.equal(network(x), expected)
    assert torch.equal(network(x), expected)  # nothing is left over from the pass before


def test_there_must_be_a_pool_to_undo() -> None:
    with pytest.raises(ValueError, match="there is no maxpool before it to undo"):
        Network(torch.nn.MaxPool2d(2), MaxUnpool(2))(torch.rand(1, 1, 4, 4))


def test_of_several_outputs_the_first_goes_on() -> None:
    lstm = torch.nn.LSTM(3, 2, batch_first=True)
    x = torch.rand(2, 4, 3)
    assert torch.equal(Network(lstm, torch.nn.Tanh())(x), lstm(x)[0].tanh())
    assert torch.equal(step(lstm, x, ForwardState(torch.ones(2, 4, dtype=torch.bool))), lstm(x)[0])


class Denoiser(torch.nn.Module):
    """Learns without targets."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def training_loss(self, x: torch.Tensor) -> torch.Tensor:
        return x.square().mean()


def test_a_module_may_bring_its_own_loss() -> None:
    network, x = Network(torch.nn.Linear(3, 3), Denoiser()), torch.rand(4, 3)
    assert network.has_own_loss
    torch.testing.assert_close(network.training_loss(x), network[0](x).square().mean())
    assert not Network(torch.nn.Linear(3, 3)).has_own_loss
    assert not Network(Network(torch.nn.Linear(3, 3))).has_own_loss
    with pytest.raises(AttributeError, match="training_loss of its own"):
        Network().training_loss(x)


def test_global_pooling_is_over_every_position() -> None:
    x = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(GlobalAvgPool()(x), x.mean((2, 3)))
