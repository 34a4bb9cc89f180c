"""Export forms: what stands in for a module while it is traced, because torch.export refuses it or writes it badly.

The network that the user trains, and that the finished file is compared with, always stays the ordinary one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar

import torch

__all__ = ["FORMS", "Form", "apply_forms", "find_form", "form"]

# A module in evaluation mode -> its export form, or None where it exports well as it is.
Form: TypeAlias = Callable[[Any], torch.nn.Module | None]

FORMS: dict[type[torch.nn.Module], Form] = {}

F = TypeVar("F", bound=Form)


def form(*classes: type[torch.nn.Module]) -> Callable[[F], F]:
    """Register a function as the form of these module classes.

    Raises:
        ValueError: a class has a form already.
    """

    def register(function: F) -> F:
        for kind in classes:
            if kind in FORMS:
                raise ValueError(f"{kind.__name__} has an export form already: {FORMS[kind].__qualname__}.")
            FORMS[kind] = function
        return function

    return register


def find_form(module: torch.nn.Module) -> torch.nn.Module | None:
    """The export form of one module (its children not counted), or None where it is to be traced as it is.

    A subclass takes its base's form only where it runs its base's `forward`; a module with hooks keeps them, and so stays.
    """
    if module._forward_hooks or module._forward_pre_hooks:
        return None
    for kind in type(module).__mro__:
        if kind in FORMS and type(module).forward is kind.forward:
            return FORMS[kind](module)
    return None


@contextlib.contextmanager
def apply_forms(module: torch.nn.Module) -> Iterator[list[str]]:
    """Swap the export forms in below `module` for as long as the context lasts; `module` itself is not replaced.

    Weights are shared, nothing is copied, and on leaving, whatever happened, every module is back in its place.

    Yields:
        The names of the modules that were swapped.
    """
    found: dict[int, torch.nn.Module | None] = {}
    places: list[tuple[dict[str, torch.nn.Module | None], str, torch.nn.Module]] = []
    swapped: list[str] = []
    # A form may hold its module, so the places are listed before the first one is swapped.
    for path, parent in list(module.named_modules()):
        if isinstance(parent, torch.jit.ScriptModule):
            continue
        for name, child in parent._modules.items():
            if child is None:
                continue
            if id(child) not in found:
                found[id(child)] = find_form(child)
            if found[id(child)] is not None:
                places.append((parent._modules, name, child))
                swapped.append(f"{path}.{name}" if path else name)
    try:
        for children, name, child in places:
            children[name] = found[id(child)]
        yield swapped
    finally:
        for children, name, child in places:
            children[name] = child
