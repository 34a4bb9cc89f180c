"""Deterministic algorithms: refuse operations whose results differ from run to run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from runtime.errors import SpecError

__all__ = ["reproducible"]


@contextlib.contextmanager
def reproducible(wanted: bool, device: torch.device) -> Iterator[None]:
    """Context manager: with `wanted`, torch uses deterministic algorithms only; the settings are restored afterwards.

    Raises:
        SpecError: on leaving, when the network needed an operation without a deterministic implementation.
    """
    if not wanted:
        yield
        return
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS' products are not reproducible
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        reason = str(error).split(". ")[0]
        raise SpecError(
            f"deterministic=True was given, but the network needs an operation that is not: {reason}. "
            f"Leave deterministic out, or use another layer."
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
