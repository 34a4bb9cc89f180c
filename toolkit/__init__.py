"""Assemble, train and export small networks.

>>> from toolkit import nn
>>> model = nn("cls")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.api.nn import nn, pth_info

__all__ = ["nn", "pth_info"]


def __getattr__(name: str) -> Any:
    """`nn` needs torch; it is imported when it is first used, and a missing torch names the extra to install."""
    if name not in __all__:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        from runtime.errors import MissingPackageError

        raise MissingPackageError("Assembling and training a network", "torch", "train") from error
    from toolkit.api import nn as module

    return getattr(module, name)
