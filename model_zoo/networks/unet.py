"""U-Net (Ronneberger, Fischer and Brox, 2015, arXiv:1505.04597): a map of the input's height and width.

Convolutions keep the size (the paper's shrink it) and are normalised over the batch.
"""

from __future__ import annotations

import itertools

import torch

__all__ = ["UNet", "join_skip"]


def join_skip(x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    """(N, C, H', W') and (N, S, H, W), H' >= H and W' >= W -> (N, C + S, H, W): cropped and concatenated.

    Halving rounds up, so twice the half of an odd size is one too long: any height and width is accepted.
    """
    return torch.cat([x[:, :, : skip.shape[2], : skip.shape[3]], skip], dim=1)


class UNet(torch.nn.Module):
    """(N, channels, H, W) -> (N, filters, H, W), any height and width.

    Args:
        channels: of the input.
        filters: channels of the output, such as the number of classes: no activation follows.
        depth: number of times the size is halved.
        width: channels at full size, doubled with each halving.
    """

    def __init__(self, channels: int, filters: int, depth: int = 4, width: int = 64) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        pairs = list(itertools.pairwise(widths))
        self.start = _two_convolutions(channels, width)
        self.shrink = torch.nn.MaxPool2d(2, ceil_mode=True)
        self.down = torch.nn.ModuleList(_two_convolutions(before, after) for before, after in pairs)
        self.grow = torch.nn.ModuleList(
            torch.nn.ConvTranspose2d(after, before, kernel_size=2, stride=2) for before, after in reversed(pairs)
        )
        self.up = torch.nn.ModuleList(_two_convolutions(2 * before, before) for before, _ in reversed(pairs))
        self.end = torch.nn.Conv2d(width, filters, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) -> (N, filters, H, W)."""
        x = self.start(x)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(self.shrink(x))
        for grow, up in zip(self.grow, self.up, strict=True):
            x = up(join_skip(grow(x), skips.pop()))
        result: torch.Tensor = self.end(x)
        return result


def _two_convolutions(channels: int, filters: int) -> torch.nn.Sequential:
    """Two times 3 x 3 convolution, batch normalisation and ReLU; height and width are kept."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, filters, kernel_size=3, padding=1, bias=False),
        torch.nn.BatchNorm2d(filters),
        torch.nn.ReLU(),
        torch.nn.Conv2d(filters, filters, kernel_size=3, padding=1, bias=False),
        torch.nn.BatchNorm2d(filters),
        torch.nn.ReLU(),
    )
