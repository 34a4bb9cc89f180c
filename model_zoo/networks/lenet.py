"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998).

With ReLU for the sigmoid and maximum pooling for subsampling, as it is taught today.
"""

from __future__ import annotations

import torch

__all__ = ["LeNet"]


class LeNet(torch.nn.Sequential):
    """(N, C, H, W) -> (N, num_classes) logits.

    Args:
        in_shape: (C, H, W); H and W of at least 12.
        num_classes: number of classes.

    Raises:
        ValueError: H or W is below 12.
    """

    def __init__(self, in_shape: tuple[int, int, int], num_classes: int) -> None:
        channels, height, width = in_shape
        if min(height, width) < 12:
            raise ValueError(
                f"LeNet takes pictures of at least 12 x 12 pixels, got {height} x {width}. Enlarge them to 28 x 28."
            )
        # padding 2 keeps 28 x 28 through the first convolution, as the original's 32 x 32 frame did
        features = 16 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        super().__init__()
        self.add_module("conv1", torch.nn.Conv2d(channels, 6, kernel_size=5, padding=2))
        self.add_module("relu1", torch.nn.ReLU())
        self.add_module("pool1", torch.nn.MaxPool2d(2))
        self.add_module("conv2", torch.nn.Conv2d(6, 16, kernel_size=5))
        self.add_module("relu2", torch.nn.ReLU())
        self.add_module("pool2", torch.nn.MaxPool2d(2))
        self.add_module("flatten", torch.nn.Flatten())
        self.add_module("linear1", torch.nn.Linear(features, 120))
        self.add_module("relu3", torch.nn.ReLU())
        self.add_module("linear2", torch.nn.Linear(120, 84))
        self.add_module("relu4", torch.nn.ReLU())
        self.add_module("linear3", torch.nn.Linear(84, num_classes))
