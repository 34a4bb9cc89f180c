"""Denoising diffusion (Ho, Jain and Abbeel, "Denoising diffusion probabilistic models", 2020, arXiv:2006.11239).

Noise is added to a picture in many small steps; a network learns to predict the noise; run backward from
pure noise it draws pictures. The cosine schedule: Nichol and Dhariwal, 2021 (arXiv:2102.09672).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch

from model_zoo.networks.diffusion_unet import DiffusionUNet

__all__ = ["DiffusionModel"]


class DiffusionModel(torch.nn.Module):
    """Denoising diffusion model: learns to predict the noise in pictures, and samples pictures from noise.

    Pictures are 0..1 outside and -1..1 inside, as the noise is centred on zero: `training_loss`, `noisy` and `sample` are
    in 0..1; `forward`, `q_sample` in -1..1. Times are 0..timestep - 1.

    Args:
        img_size: height and width of a picture.
        channels: of a picture.
        timestep: number of noise steps.
        dim, dim_mults: the network's widths, see DiffusionUNet.
        schedule: how fast the noise grows, "linear" (the first paper's) or "cosine" (slower at both ends).
    """

    betas: torch.Tensor
    kept: torch.Tensor

    def __init__(
        self,
        img_size: int,
        channels: int,
        timestep: int = 500,
        dim: int = 64,
        dim_mults: tuple[int, ...] = (1, 2, 2),
        schedule: Literal["linear", "cosine"] = "linear",
    ) -> None:
        super().__init__()
        self.img_size = img_size
        self.channels = channels
        self.timestep = timestep
        self.unet = DiffusionUNet(channels, dim, dim_mults)
        betas = _linear(timestep) if schedule == "linear" else _cosine(timestep)
        # Both follow from the arguments: no part of the state_dict.
        self.register_buffer("betas", betas.float(), persistent=False)  # (T,) variance added in each step
        self.register_buffer(
            "kept", (1 - betas).cumprod(0).float(), persistent=False
        )  # (T,) what is left of the picture

    def forward(self, x: torch.Tensor, t: torch.Tensor | None = None) -> torch.Tensor:
        """Predicted noise of noisy pictures.

        Args:
            x: (N, C, H, W) float32, noisy pictures in -1..1 (plus noise).
            t: (N,) int64, their times; None takes the last one for all, at which everything is noise.

        Returns:
            (N, C, H, W) float32.
        """
        if t is None:
            t = torch.full((x.shape[0],), self.timestep - 1, dtype=torch.int64, device=x.device)
        result: torch.Tensor = self.unet(x, t)
        return result

    def q_sample(self, x: torch.Tensor, t: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures after t + 1 steps of noise, directly (equation 4): (N, C, H, W) in -1..1, (N,) int64 -> (N, C, H, W).

        `noise` is standard normal and of the shape of `x`; None draws it from torch's global random state.
        """
        noise = torch.randn_like(x) if noise is None else noise
        kept = self.kept[t][:, None, None, None]
        return kept.sqrt() * x + (1 - kept).sqrt() * noise

    def training_loss(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) in 0..1 -> scalar: mean squared error of the noise predicted at random times (equation 14)."""
        t = torch.randint(self.timestep, (images.shape[0],), device=images.device)
        noise = torch.randn_like(images)
        found = self(self.q_sample(2 * images - 1, t, noise), t)
        return torch.nn.functional.mse_loss(found, noise)

    @torch.no_grad()
    def noisy(self, images: torch.Tensor, t: int | torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures at time t, to look at: (N, C, H, W) in 0..1 and one time or (N,) int64 -> (N, C, H, W) in 0..1.

        Raises:
            ValueError: a time is outside 0..timestep - 1.
        """
        times = torch.as_tensor(t, dtype=torch.int64, device=images.device).expand(images.shape[0])
        if bool((times < 0).any()) or bool((times >= self.timestep).any()):
            raise ValueError(f"The time {t} was given; 0 to {self.timestep - 1} is expected.")
        return _picture(self.q_sample(2 * images - 1, times, noise))

    @torch.no_grad()
    def sample(
        self,
        num: int,
        return_all_timesteps: bool = False,
        *,
        generator: torch.Generator | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> torch.Tensor:
        """Draw pictures from noise (algorithm 2).

        Args:
            num: number of pictures.
            return_all_timesteps: also return the pictures after each step, the pure noise first.
            generator: source of the noise; None takes torch's global random state. On the weights' device.
            on_step: called with (steps done, steps in all) after each one.

        Returns:
            (num, C, H, W), or (num, timestep + 1, C, H, W); float32 in 0..1.
        """
        device = self.betas.device

        def noise() -> torch.Tensor:
            return torch.randn(num, self.channels, self.img_size, self.img_size, generator=generator, device=device)

        x = noise()
        pictures = [_picture(x)] if return_all_timesteps else []
        for time in reversed(range(self.timestep)):
            x = self._step_back(x, time, noise() if time > 0 else torch.zeros_like(x))
            if return_all_timesteps:
                pictures.append(_picture(x))
            if on_step is not None:
                on_step(self.timestep - time, self.timestep)
        return torch.stack(pictures, dim=1) if return_all_timesteps else _picture(x)

    def _step_back(self, x: torch.Tensor, time: int, noise: torch.Tensor) -> torch.Tensor:
        """One step from `time` to the one before: the mean of equation 7, and noise of its variance.

        The picture implied by the predicted noise is clamped to -1..1, or small errors of the early steps grow.
        """
        beta, kept = self.betas[time], self.kept[time]
        kept_before = self.kept[time - 1] if time > 0 else torch.ones_like(kept)
        t = torch.full((x.shape[0],), time, dtype=torch.int64, device=x.device)
        picture = ((x - (1 - kept).sqrt() * self(x, t)) / kept.sqrt()).clamp(-1, 1)
        mean = (kept_before.sqrt() * beta * picture + (1 - beta).sqrt() * (1 - kept_before) * x) / (1 - kept)
        variance = beta * (1 - kept_before) / (1 - kept)
        before: torch.Tensor = mean + variance.sqrt() * noise
        return before


def _picture(x: torch.Tensor) -> torch.Tensor:
    """-1..1 -> 0..1, clamped."""
    return ((x + 1) / 2).clamp(0, 1)


def _linear(steps: int) -> torch.Tensor:
    """Linear noise variances (T,) float64: 1e-4 to 0.02 for the paper's 1000 steps, larger for fewer."""
    scale = 1000 / steps
    return torch.linspace(scale * 1e-4, scale * 0.02, steps, dtype=torch.float64).clamp(max=0.999)


def _cosine(steps: int) -> torch.Tensor:
    """Cosine noise variances (T,) float64: the remaining signal falls as a squared cosine (equation 17)."""
    time = (torch.linspace(0, 1, steps + 1, dtype=torch.float64) + 0.008) / 1.008
    kept = (time * math.pi / 2).cos().square()
    return (1 - kept[1:] / kept[:-1]).clamp(max=0.999)
