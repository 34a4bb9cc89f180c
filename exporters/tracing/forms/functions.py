"""Export forms of functions: replacements for functions of torch during tracing, however the network calls them.

`torch.overrides.TorchFunctionMode` sees every call of torch's own functions and of tensor methods. Functions that are plain
Python (torchvision's) are not seen by it; their names are swapped in the modules that hold them.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["FUNCTION_FORMS", "function_form", "function_forms", "python_form", "run_under"]

# A function of torch -> its form, which takes the same arguments, and returns NotImplemented where the call exports well.
FUNCTION_FORMS: dict[Any, Callable[..., Any]] = {}

# ("torchvision.ops.boxes", "batched_nms") -> its form, which takes the same arguments.
_PYTHON_FORMS: dict[tuple[str, str], Callable[..., Any]] = {}

_SYMBOLIC: set[Any] = set()

F = TypeVar("F", bound=Callable[..., Any])


def function_form(*functions: Any, symbolic: bool = False) -> Callable[[F], F]:
    """Register the form of functions of torch, such as ``torch.cdist`` and ``torch.Tensor.cumprod``.

    Args:
        functions: those that `torch.overrides` tells of.
        symbolic: the form writes what only torch.export can trace; the legacy exporter goes without it.

    Raises:
        ValueError: one of them has a form already.
    """

    def register(form: F) -> F:
        for function in functions:
            if function in FUNCTION_FORMS:
                raise ValueError(f"{function.__name__} has an export form already.")
            FUNCTION_FORMS[function] = form
            if symbolic:
                _SYMBOLIC.add(function)
        return form

    return register


def python_form(module: str, name: str) -> Callable[[F], F]:
    """Register the form of a plain Python function, unseen by torch; its package need not be installed.

    Raises:
        ValueError: it has a form already.
    """

    def register(form: F) -> F:
        if (module, name) in _PYTHON_FORMS:
            raise ValueError(f"{module}.{name} has an export form already.")
        _PYTHON_FORMS[module, name] = form
        return form

    return register


class _Swaps(TorchFunctionMode):
    """Function mode that calls the forms in place of the functions; inside a form the ordinary functions run."""

    def __init__(self, symbolic: bool) -> None:
        super().__init__()
        self.symbolic = symbolic

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        form = FUNCTION_FORMS.get(func)
        if form is not None and (self.symbolic or func not in _SYMBOLIC):
            result = form(*args, **options)
            if result is not NotImplemented:
                return result
        return func(*args, **options)


@contextlib.contextmanager
def function_forms(module: torch.nn.Module, *, symbolic: bool = True) -> Iterator[None]:
    """Swap the functions while `module` runs, for as long as the context lasts; its `forward` is put back afterwards."""
    with _swapped_names(), run_under(module, lambda: _Swaps(symbolic)):
        yield


@contextlib.contextmanager
def run_under(module: torch.nn.Module, mode: Callable[[], TorchFunctionMode]) -> Iterator[None]:
    """Run `module` under a mode for as long as the context lasts; its `forward` is put back afterwards."""
    forward = module.forward

    @functools.wraps(forward)
    def under(*inputs: Any, **options: Any) -> Any:
        with mode():
            return forward(*inputs, **options)

    before = vars(module).get("forward")
    module.forward = under
    try:
        yield
    finally:
        if before is None:
            del module.forward
        else:
            module.forward = before


@contextlib.contextmanager
def _swapped_names() -> Iterator[None]:
    """Replace Python functions by their forms in every loaded module that holds them by name."""
    forms = {
        id(function): (function, form)
        for (module, name), form in _PYTHON_FORMS.items()
        if (function := getattr(sys.modules.get(module), name, None)) is not None
    }
    places = [
        (names, name, *forms[id(value)])
        for names in [vars(module) for key, module in list(sys.modules.items()) if _may_hold(key, module)]
        for name, value in list(names.items())
        if id(value) in forms
    ]
    try:
        for names, name, _, form in places:
            names[name] = form
        yield
    finally:
        for names, name, function, _ in places:
            names[name] = function


def _may_hold(name: str, module: Any) -> bool:
    """Test that names in a module may be swapped; the forms' own modules keep the ordinary functions."""
    return hasattr(module, "__dict__") and not name.startswith("exporters.tracing.forms")
