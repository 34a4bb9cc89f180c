"""Files of torch.save: plain tensors are read as they are; pickled Python objects only where the user trusts the file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from runtime.errors import CheckpointError
from toolkit.training.checkpoints.checkpoint import read_plain

__all__ = ["module_within", "read_torch_file"]

# Where training programs keep the module itself inside their own files, averages first.
_NESTS = ("ema", "model", "network", "net", "module")


def read_torch_file(path: Path, *, trust: bool = False) -> Any:
    """Load a file of torch.save.

    Args:
        path: the file.
        trust: also unpickle Python objects, which runs whatever code the file names.

    Raises:
        CheckpointError: it is damaged, or holds pickled objects and `trust` is not set; says what to do instead.
    """
    try:
        return read_plain(path)
    except CheckpointError as error:
        if "pickled Python objects" not in str(error):
            raise
        if not trust:
            raise CheckpointError(_refusal(path)) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=False)
    except (ModuleNotFoundError, AttributeError) as error:
        raise CheckpointError(
            f"{path} cannot be unpickled: {error}. The program that its classes are defined in must be importable: run from its "
            f"folder, or install it."
        ) from error
    except Exception as error:  # unpickling runs anything, and so raises anything
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise CheckpointError(f"{path} cannot be unpickled: {reason}. Save it again.") from error


def module_within(content: Any) -> torch.nn.Module | None:
    """Module in an unpickled file's content: the content itself, or an entry of it."""
    if isinstance(content, torch.nn.Module):
        return content
    if isinstance(content, Mapping):
        for key in _NESTS:
            if isinstance(content.get(key), torch.nn.Module):
                return content[key]  # type: ignore[no-any-return]
    return None


def _refusal(path: Path) -> str:
    named = _classes(path)
    what = f" ({named})" if named else ""
    return (
        f"{path} holds pickled Python objects{what}, such as a whole torch module. Opening it could run code hidden in it, so it was "
        f"not opened. In the program that made it, save the weights alone, torch.save(model.state_dict(), 'weights.pth'), and "
        f"export these with --arch, such as --arch my_models.py:Net. If you trust where the file comes from, say so with --trust "
        f"(trust=True in Python)."
    )


def _classes(path: Path) -> str:
    """Names of the first few classes that unpickling would import, found without unpickling."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # an old format, or none that torch reads in part
        return ""
    own = [name for name in names if not re.match(r"torch\.nn\.modules|collections|builtins", name)] or list(names)
    return ", ".join(own[:3]) + (f" and {len(own) - 3} more" if len(own) > 3 else "")
