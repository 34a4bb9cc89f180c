"""Import of a class or function from the user's Python file; naming the file is the consent to run it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch

from runtime.errors import InputError, SpecError, suggest
from runtime.regular_file import require_file

__all__ = ["find"]


def find(file: str, name: str) -> Any:
    """Import `name` from a file. Its folder is on the import path during the import.

    Raises:
        InputError: the file does not exist, or fails while it runs.
        SpecError: it has no such name, or that is neither a class nor a function nor a module.
    """
    path = require_file(file)
    namespace = _imported(path)
    known = [key for key, value in namespace.items() if _is_made_here(value, path) and not key.startswith("_")]
    if name not in namespace:
        raise SpecError(f"{path} has no class or function {name!r}.{suggest(name, known) if known else ''}")
    found = namespace[name]
    if not callable(found) and not isinstance(found, torch.nn.Module):
        raise SpecError(
            f"{name} in {path} is of type {type(found).__name__}; a class, or a function that returns a module, is expected."
        )
    return found


def _imported(path: Path) -> dict[str, Any]:
    """Run a file as a module and return its names."""
    folder = str(path.resolve().parent)
    # by its own name, so that what is pickled or printed of its classes makes sense
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(path.stem)
    sys.path.insert(0, folder)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        where = _line_of(error, path)
        raise InputError(f"{path} fails{where} with {type(error).__name__}: {error}. Correct it.") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
        if before is not None:
            sys.modules[path.stem] = before
    return vars(module)


def _is_made_here(value: Any, path: Path) -> bool:
    return callable(value) and getattr(value, "__module__", None) == path.stem


def _line_of(error: BaseException, path: Path) -> str:
    """' in line 12' where the error came out of the file itself."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f" in line {error.lineno}"
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve():
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f" in line {lines[-1]}" if lines else ""
