"""The diffusion model adds the paper's noise, takes it away again, and learns."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_zoo import DiffusionModel
from model_zoo.networks.diffusion_unet import DiffusionUNet


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def tiny(**arguments: Any) -> DiffusionModel:
    return DiffusionModel(**{"img_size": 8, "channels": 1, "timestep": 12, "dim": 8, **arguments})


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("timestep", [1, 2, 10, 500, 1000])
def test_noise_grows_until_it_is_all_there_is(schedule: Any, timestep: int) -> None:
    model = tiny(timestep=timestep, schedule=schedule)
    assert model.kept.shape == model.betas.shape == (timestep,)
    assert bool(((model.betas > 0) & (model.betas < 1)).all())
    assert bool((model.kept.diff() < 0).all())
    if timestep >= 10:
        assert model.kept[-1] < 1e-3
        assert model.kept[0] > 0.85


def test_the_linear_schedule_is_the_papers_in_a_thousand_steps() -> None:
    betas = tiny(timestep=1000).betas
    torch.testing.assert_close(betas[[0, -1]], torch.tensor([1e-4, 0.02]))
    torch.testing.assert_close(betas.diff(), torch.full((999,), (0.02 - 1e-4) / 999), rtol=1e-3, atol=1e-8)


def test_noise_in_one_go_is_noise_step_by_step() -> None:
    """Equation 4 follows from equation 2: the same mean and variance."""
    model = tiny(timestep=6)
    x = torch.full((20_000, 1, 1, 1), 0.7)
    step_by_step = x
    for beta in model.betas:
        step_by_step = (1 - beta).sqrt() * step_by_step + beta.sqrt() * torch.randn_like(x)
    at_once = model.q_sample(x, torch.full((20_000,), 5))
    torch.testing.assert_close(at_once.mean(), step_by_step.mean(), rtol=0, atol=0.03)
    torch.testing.assert_close(at_once.var(), step_by_step.var(), rtol=0.05, atol=0)
    noise = torch.randn_like(x)
    torch.testing.assert_close(
        model.q_sample(x, torch.full((20_000,), 2), noise),
        model.kept[2].sqrt() * x + (1 - model.kept[2]).sqrt() * noise,
    )


class Knowing(DiffusionModel):
    """Knows the picture, and so the noise: what a perfect network would say."""

    picture: torch.Tensor

    def forward(self, x: torch.Tensor, t: torch.Tensor | None = None) -> torch.Tensor:
        assert t is not None
        kept = self.kept[t][:, None, None, None]
        return (x - kept.sqrt() * self.picture) / (1 - kept).sqrt()


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_with_the_true_noise_sampling_finds_the_picture(schedule: Any) -> None:
    model = Knowing(8, 1, 25, dim=8, schedule=schedule)
    picture = torch.rand(1, 1, 8, 8)
    model.picture = 2 * picture - 1
    torch.testing.assert_close(model.sample(3), picture.expand(3, -1, -1, -1), rtol=0, atol=1e-4)


def test_samples_are_pictures_from_their_generator_and_every_step_may_be_seen() -> None:
    model = tiny(channels=3)
    seen: list[tuple[int, int]] = []
    first = model.sample(
        2, generator=torch.Generator().manual_seed(1), on_step=lambda done, steps: seen.append((done, steps))
    )
    again = model.sample(2, generator=torch.Generator().manual_seed(1), return_all_timesteps=True)
    assert first.shape == (2, 3, 8, 8)
    assert again.shape == (2, 13, 3, 8, 8)
    assert torch.equal(again[:, -1], first)
    assert bool(((again >= 0) & (again <= 1)).all())
    assert seen == [(done, 12) for done in range(1, 13)]
    assert not first.requires_grad


def test_noisy_pictures_are_pictures_and_times_have_limits() -> None:
    model = tiny()
    pictures = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(tiny(timestep=1000).noisy(pictures, 0), pictures, rtol=0, atol=0.05)
    last = model.noisy(pictures, torch.tensor([0, 5, 11]))
    assert bool(((last >= 0) & (last <= 1)).all())
    for time in (-1, 12):
        with pytest.raises(ValueError, match=f"The time {time} was given; 0 to 11 is expected"):
            model.noisy(pictures, time)


def test_without_a_time_it_is_the_last() -> None:
    model = tiny()
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(model(x), model(x, torch.full((3,), 11)))
    assert not torch.equal(model(x), model(x, torch.zeros(3, dtype=torch.int64)))


def test_its_weights_are_the_networks_alone_and_copies_keep_the_schedule() -> None:
    model = tiny()
    assert all(name.startswith("unet.") for name in model.state_dict())
    copied = copy.deepcopy(model)
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(copied(x), model(x))
    assert torch.equal(copied.kept, model.kept)
    with torch.device("meta"):
        shape = tiny(channels=3)
        assert shape(torch.empty(2, 3, 8, 8)).shape == (2, 3, 8, 8)
        assert shape.training_loss(torch.empty(2, 3, 8, 8)).shape == ()


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    multiples=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    dim=st.sampled_from([4, 6, 9]),
)
def test_the_network_keeps_any_height_and_width(height: int, width: int, multiples: list[int], dim: int) -> None:
    network = DiffusionUNet(2, dim, tuple(multiples))
    assert network(torch.rand(2, 2, height, width), torch.tensor([0, 3])).shape == (2, 2, height, width)


def test_gradients_reach_every_weight() -> None:
    model = tiny(channels=3)
    model.training_loss(torch.rand(4, 3, 8, 8)).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


@pytest.mark.slow
def test_it_learns_to_draw_what_it_saw() -> None:
    """Pictures that are dark on one half and bright on the other: fresh weights draw noise, trained ones such halves."""
    model = tiny(timestep=50, dim=16)
    left = torch.zeros(8, 8)
    left[:, :4] = 1
    pictures = torch.stack([left, 1 - left]).repeat(16, 1, 1)[:, None]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(300):
        loss = model.training_loss(pictures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-30:]) < 0.25 * sum(losses[:5]) / 5 * 30
    drawn = model.sample(16)
    distance = torch.stack([(drawn[:, 0] - half).abs().mean(dim=(1, 2)) for half in (left, 1 - left)])
    assert distance.min(dim=0).values.mean() < 0.15
