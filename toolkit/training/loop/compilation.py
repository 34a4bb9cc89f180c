"""The forward pass through torch.compile."""

from __future__ import annotations

from collections.abc import Callable

import torch

from runtime.errors import SpecError

__all__ = ["compiled"]

Forward = Callable[[torch.Tensor], torch.Tensor]


def compiled(forward: Forward) -> Forward:
    """`forward` compiled at its first call. The network itself is unchanged, so its weights keep their names.

    The function that is returned raises SpecError when the machine lacks a compiler or the network cannot be compiled.
    """
    fast = torch.compile(forward)

    def run(inputs: torch.Tensor) -> torch.Tensor:
        from torch._dynamo.exc import TorchDynamoException

        try:
            return fast(inputs)
        except TorchDynamoException as error:
            reason = " ".join(str(error).split())[:300]
            raise SpecError(
                f"compile=True was given, but torch.compile failed: {reason}. It needs a C++ compiler such as g++ (on CUDA "
                f"also Triton); install it, or leave compile out."
            ) from error

    return run
