"""The Inception block (Szegedy et al., "Going deeper with convolutions", 2015, arXiv:1409.4842).

With a normalisation behind each convolution: Ioffe and Szegedy, "Batch normalization", 2015 (arXiv:1502.03167).
"""

from __future__ import annotations

import torch

__all__ = ["Inception"]


def _convolution(channels: int, filters: int, kernel_size: int) -> torch.nn.Sequential:
    """Convolution of the same height and width, normalisation, ReLU."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, filters, kernel_size, padding=kernel_size // 2, bias=False),
        torch.nn.BatchNorm2d(filters),
        torch.nn.ReLU(),
    )


class Inception(torch.nn.Module):
    """Four parallel branches, concatenated: (N, channels, H, W) -> (N, sum of the branches' filters, H, W).

    Args:
        channels: of the input.
        branch1x1: filters of the 1 x 1 convolution.
        branch3x3: filters of the 1 x 1 convolution before, and of the 3 x 3 convolution.
        branch5x5: filters of the 1 x 1 convolution before, and of the 5 x 5 convolution.
        branch_pool: filters of the 1 x 1 convolution behind a 3 x 3 maximum.
    """

    def __init__(
        self,
        channels: int,
        branch1x1: int,
        branch3x3: tuple[int, int],
        branch5x5: tuple[int, int],
        branch_pool: int,
    ) -> None:
        super().__init__()
        self.out_channels = branch1x1 + branch3x3[1] + branch5x5[1] + branch_pool
        self.branch1x1 = _convolution(channels, branch1x1, 1)
        self.branch3x3 = torch.nn.Sequential(_convolution(channels, branch3x3[0], 1), _convolution(*branch3x3, 3))
        self.branch5x5 = torch.nn.Sequential(_convolution(channels, branch5x5[0], 1), _convolution(*branch5x5, 5))
        self.branch_pool = torch.nn.Sequential(
            torch.nn.MaxPool2d(3, stride=1, padding=1), _convolution(channels, branch_pool, 1)
        )

    @classmethod
    def of_width(cls, channels: int, filters: int) -> Inception:
        """Branches in the proportions of the paper's first block (3a: 64, 96 -> 128, 16 -> 32 and 32 of 256).

        Raises:
            ValueError: `filters` is not a multiple of 8.
        """
        if filters % 8:
            raise ValueError(
                f"{filters} filters do not divide into the four branches: a multiple of 8 is expected, or give "
                f"branch1x1, branch3x3, branch5x5 and branch_pool."
            )
        eighth = filters // 8
        return cls(channels, 2 * eighth, (3 * eighth, 4 * eighth), (max(1, eighth // 2), eighth), eighth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) -> (N, out_channels, H, W)."""
        branches = (self.branch1x1, self.branch3x3, self.branch5x5, self.branch_pool)
        return torch.cat([branch(x) for branch in branches], dim=1)
