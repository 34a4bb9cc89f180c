"""Export forms: replacements for modules during tracing, where torch.export refuses a module or writes it badly.

The network that the user trains, and that the finished file is compared with, always stays the ordinary one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar

import torch

from exporters.tracing.forms.functions import function_forms
from exporters.tracing.forms.loops import loop_forms

__all__ = ["FORMS", "Form", "apply_forms", "find_form", "form"]

# A module in evaluation mode -> its export form, or None where it exports well as it is.
Form: TypeAlias = Callable[[Any], torch.nn.Module | None]

FORMS: dict[type[torch.nn.Module], Form] = {}

# Those whose result holds operators of ONNX that torch cannot compute: only torch.export carries them into the file.
_SYMBOLIC: set[type[torch.nn.Module]] = set()

F = TypeVar("F", bound=Form)


def form(*classes: type[torch.nn.Module], symbolic: bool = False) -> Callable[[F], F]:
    """Register a function as the form of these module classes.

    Args:
        classes: the ordinary modules.
        symbolic: the form writes operators of ONNX itself (`torch.onnx.ops.symbolic`), which the legacy exporter cannot.

    Raises:
        ValueError: a class has a form already.
    """

    def register(function: F) -> F:
        for kind in classes:
            if kind in FORMS:
                raise ValueError(f"{kind.__name__} has an export form already: {FORMS[kind].__qualname__}.")
            FORMS[kind] = function
            if symbolic:
                _SYMBOLIC.add(kind)
        return function

    return register


def find_form(module: torch.nn.Module, *, symbolic: bool = True) -> torch.nn.Module | None:
    """Find the export form of one module (its children not counted); None where it is traced as it is.

    A subclass takes its base's form only where it runs its base's `forward`; a module with hooks keeps them, and so stays.
    `symbolic` False leaves out those that only torch.export can trace.
    """
    if module._forward_hooks or module._forward_pre_hooks:
        return None
    for kind in type(module).__mro__:
        if kind in FORMS and type(module).forward is kind.forward and "forward" not in vars(module):
            return FORMS[kind](module) if symbolic or kind not in _SYMBOLIC else None
    return None


@contextlib.contextmanager
def apply_forms(module: torch.nn.Module, *, symbolic: bool = True) -> Iterator[list[str]]:
    """Swap the export forms in below `module` for as long as the context lasts; `module` itself is not replaced.

    Functions of torch that have a form (`exporters.tracing.forms.functions`) are swapped while `module` runs. Weights are shared,
    nothing is copied, and on leaving, whatever happened, every module is back in its place.

    Args:
        module: the network.
        symbolic: also forms that only torch.export can trace.

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
                found[id(child)] = find_form(child, symbolic=symbolic)
            if found[id(child)] is not None:
                places.append((parent._modules, name, child))
                swapped.append(f"{path}.{name}" if path else name)
    try:
        for children, name, child in places:
            children[name] = found[id(child)]
            vars(children[name])["ordinary"] = child  # not as a child: the network's masked forms read its settings
        # the legacy exporter knows no scan
        loops = loop_forms(module) if symbolic else contextlib.nullcontext()
        with loops, function_forms(module, symbolic=symbolic), ordinary_attention():
            yield swapped
    finally:
        for children, name, child in places:
            children[name] = child


@contextlib.contextmanager
def ordinary_attention() -> Iterator[None]:
    """Within the ``with``, attention uses ordinary operators: torch's fused ones hold no dynamic length."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
