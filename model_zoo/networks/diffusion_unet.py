"""Time-conditioned U-Net of a diffusion model (Ho, Jain and Abbeel, 2020, arXiv:2006.11239, appendix B)."""

from __future__ import annotations

import itertools
import math

import torch

from model_zoo.layers.attention import MultiheadAttention
from model_zoo.layers.positions import sinusoids
from model_zoo.networks.unet import join_skip

__all__ = ["DiffusionUNet"]


class DiffusionUNet(torch.nn.Module):
    """(N, channels, H, W) and times (N,) -> (N, channels, H, W), any height and width.

    Args:
        channels: of the picture.
        dim: channels at full size.
        dim_mults: channels of each level, in multiples of `dim`; the size is halved between levels.
    """

    def __init__(self, channels: int, dim: int = 64, dim_mults: tuple[int, ...] = (1, 2, 2)) -> None:
        super().__init__()
        widths = [dim * factor for factor in dim_mults]
        self.dim = dim
        self.time = torch.nn.Sequential(
            torch.nn.Linear(dim, 4 * dim), torch.nn.SiLU(), torch.nn.Linear(4 * dim, 4 * dim)
        )
        self.start = torch.nn.Conv2d(channels, dim, kernel_size=3, padding=1)
        self.down = torch.nn.ModuleList()
        self.shrink = torch.nn.ModuleList()
        for before, after in itertools.pairwise([dim, *widths]):
            self.down.append(_TimedBlock(before, after, 4 * dim))
        for width in widths[:-1]:
            self.shrink.append(torch.nn.Conv2d(width, width, kernel_size=3, stride=2, padding=1))
        self.before = _TimedBlock(widths[-1], widths[-1], 4 * dim)
        self.attention = _PictureAttention(widths[-1])
        self.after = _TimedBlock(widths[-1], widths[-1], 4 * dim)
        self.up = torch.nn.ModuleList()
        self.grow = torch.nn.ModuleList()
        for level in reversed(range(len(widths))):
            below = widths[min(level + 1, len(widths) - 1)]
            if level < len(widths) - 1:
                self.grow.append(torch.nn.Conv2d(below, below, kernel_size=3, padding=1))
            self.up.append(_TimedBlock(below + widths[level], widths[level], 4 * dim))
        self.end = torch.nn.Sequential(
            _normalisation(widths[0]), torch.nn.SiLU(), torch.nn.Conv2d(widths[0], channels, kernel_size=3, padding=1)
        )

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) float32 and (N,) int64 -> (N, channels, H, W)."""
        time = self.time(sinusoids(t, self.dim).to(x.dtype))  # (N, 4 * dim)
        x = self.start(x)
        skips = []
        for level, down in enumerate(self.down):
            x = down(x if level == 0 else self.shrink[level - 1](x), time)
            skips.append(x)
        x = self.after(self.attention(self.before(x, time)), time)
        for level, up in enumerate(self.up):
            if level > 0:
                x = self.grow[level - 1](torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"))
            x = up(join_skip(x, skips.pop()), time)
        result: torch.Tensor = self.end(x)
        return result


class _TimedBlock(torch.nn.Module):
    """Residual block of two convolutions; the time embedding is added to every position between them."""

    def __init__(self, channels: int, filters: int, time: int) -> None:
        super().__init__()
        self.norm1 = _normalisation(channels)
        self.conv1 = torch.nn.Conv2d(channels, filters, kernel_size=3, padding=1)
        self.time = torch.nn.Linear(time, filters)
        self.norm2 = _normalisation(filters)
        self.conv2 = torch.nn.Conv2d(filters, filters, kernel_size=3, padding=1)
        self.same: torch.nn.Module = torch.nn.Identity()
        if channels != filters:
            self.same = torch.nn.Conv2d(channels, filters, kernel_size=1)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) and (N, time) -> (N, filters, H, W)."""
        silu = torch.nn.functional.silu
        inner = self.conv1(silu(self.norm1(x))) + self.time(silu(time))[:, :, None, None]
        result: torch.Tensor = self.conv2(silu(self.norm2(inner))) + self.same(x)
        return result


class _PictureAttention(torch.nn.Module):
    """Self-attention over all positions: (N, C, H, W) -> the same shape, with the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _normalisation(channels)
        self.attention = MultiheadAttention(channels, num_heads=math.gcd(channels, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        rows, channels, height, width = x.shape
        steps = self.norm(x).flatten(2).transpose(1, 2)  # (N, H * W, C)
        mixed: torch.Tensor = self.attention(steps).transpose(1, 2)
        return x + mixed.reshape(rows, channels, height, width)


def _normalisation(channels: int) -> torch.nn.GroupNorm:
    """Group normalisation of 8 groups, or as many as divide the channels."""
    return torch.nn.GroupNorm(math.gcd(channels, 8), channels)
