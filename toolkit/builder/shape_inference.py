"""Shape inference: the output of one layer, by running it on the meta device."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.builder.activations import activation_name, make_activation
from toolkit.builder.initialisation import is_initialised
from toolkit.builder.layer_modules import flattens, refusals
from toolkit.builder.layer_spec import OWN, LayerSpec, batch_shape
from toolkit.builder.layers.registry import Layer, LayerFunction, find_layer
from toolkit.builder.network import ForwardState, step
from toolkit.builder.own_modules import make_module
from toolkit.builder.trial_input import ShapeUnknown, TrialInput

__all__ = ["ROWS", "run"]

ROWS = 2  # of the trial batch: one would hide an axis of length 1

# An own module whose forward needs values runs on the CPU; longer trials than these are left out.
_MOST_NUMBERS = 2**23

# A recurrent layer runs every step even on the meta device, and treats all steps alike: two short lengths show the
# output for any length.
_FEW_STEPS = (2, 3)


def run(entry: LayerSpec, position: int, arriving: TrialInput) -> TrialInput:
    """Run a complete entry on trial inputs; returns its output as the next layer's input.

    Raises:
        SpecError: the layer does not fit its input.
        ShapeUnknown: the layer does not fit trial lengths, which may not be the input's.
    """
    if arriving.named:
        raise SpecError(
            f"layer {position} {entry.title!r}: the layer before it gives several outputs by name ({', '.join(arriving.named)}); "
            f"only the last layer of a network may. Let it return one tensor."
        )
    shadows = list(_shadows(entry, position, arriving.shape))
    if arriving.known is not None:
        return _leaving(entry, position, arriving, shadows)
    # The trial lengths are not the input's: those at which the layer does not run are left out. Of one alone nothing is
    # learnt, for what depends on the input and what does not look the same.
    left: list[TrialInput] = []
    reasons: list[SpecError] = []
    for tensor, beside in zip(arriving.tensors, arriving.besides, strict=True):
        try:
            if entry.layer == OWN and tensor.numel() > _MOST_NUMBERS:
                raise SpecError(f"layer {position} {entry.title!r}: a trial of {tuple(tensor.shape)} may need values.")
            left.append(_leaving(entry, position, TrialInput([tensor], [beside], arriving.further), shadows))
        except SpecError as error:
            reasons.append(error)
    if not left and all(isinstance(reason, _NothingLeft) for reason in reasons):
        raise reasons[0]
    if len(left) < 2:
        raise ShapeUnknown(str(reasons[0])) from reasons[0]
    tensors = [tensor for one in left for tensor in one.tensors]
    besides = [beside for one in left for beside in one.besides]
    return TrialInput(tensors, besides, named=left[0].named)


class _NothingLeft(SpecError):
    """A layer whose output is empty."""


def _leaving(
    entry: LayerSpec, position: int, arriving: TrialInput, shadows: list[tuple[str, list[torch.nn.Module]]]
) -> TrialInput:
    """Output of the entry's modules. Raises SpecError where they do not fit the input."""
    shape, leaving = arriving.shape, arriving
    for title, modules in shadows:
        if entry.init is not None and title == entry.layer and not is_initialised(modules[-1]):
            raise SpecError(
                f"layer {position} {title!r}: init={entry.init!r} was given, but it has no weights that are drawn. Leave init out."
            )
        with refusals(title, position, leaving.shape):
            if title == entry.layer and _step_by_step(find_layer(entry.layer)):
                leaving = _pass_few_steps(modules, leaving)
            else:
                leaving = _pass(modules, leaving, own=entry.layer == OWN and title == entry.title)
        if 0 in leaving.shape:
            raise _NothingLeft(
                f"layer {position} {title!r}: nothing is left of its input {batch_shape(shape)}, as it makes {batch_shape(leaving.shape)} "
                f"of it. Let it shrink the input less."
            )
    return leaving


def _shadows(
    entry: LayerSpec, position: int, shape: Sequence[int | None]
) -> Iterator[tuple[str, list[torch.nn.Module]]]:
    """The entry's modules on the meta device, the layer's and the activation's, each with its name for errors."""
    if entry.layer == OWN:
        yield entry.title, [_own_shadow(entry, position, shape)]
    elif entry.layer is not None:
        with refusals(entry.title, position, shape):
            made = _made(find_layer(entry.layer).function, repr(entry.arguments), _Held(entry.arguments))
        yield entry.title, [torch.nn.Flatten(), made] if flattens(entry, shape) else [made]
    if entry.activation is not None:
        name = activation_name(entry.activation)
        with refusals(name, position, shape), torch.device("meta"):
            module = make_activation(entry.activation).eval()
        yield name, [module]


class _Held:
    """Arguments that a cache ignores as a key (all instances are equal); their text is the key instead."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.arguments = arguments

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=256)
def _made(function: LayerFunction, _key: str, held: _Held) -> torch.nn.Module:
    """Cached module of a layer on the meta device: shapes without values, so every `add()` can use the same one."""
    with torch.device("meta"):
        return function(**held.arguments).eval()


def _own_shadow(entry: LayerSpec, position: int, shape: Sequence[int | None]) -> torch.nn.Module:
    """A user's own module on the meta device, or on the CPU where it cannot be made there."""
    assert entry.own is not None
    options = entry.arguments["options"]
    with refusals(entry.title, position, shape), torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                module = make_module(entry.own, options, copied=False)
                if entry.own.instances:
                    # a copy of the structure only: weights are replaced by empty ones
                    tensors = [*module.parameters(), *module.buffers()]
                    module = copy.deepcopy(module, {id(tensor): _empty(tensor) for tensor in tensors})
        except Exception:  # its constructor needs values; any other error is raised again on the CPU
            with torch.device("cpu"):
                module = make_module(entry.own, options)
    return module.eval()


def _empty(tensor: torch.Tensor) -> torch.Tensor:
    empty = torch.empty_like(tensor, device="meta")
    return torch.nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, torch.nn.Parameter) else empty


def _pass(modules: list[torch.nn.Module], arriving: TrialInput, *, own: bool) -> TrialInput:
    """Run modules on each trial tensor; an own module that fails on the meta device is run on the CPU."""
    tensors, besides = [], []
    named: tuple[str, ...] = ()
    for tensor, beside in zip(arriving.tensors, arriving.besides, strict=True):
        flowing = ForwardState(beside.mask, list(beside.places))
        result: Any = tensor
        try:
            with torch.device("meta"), torch.no_grad():
                for module in modules:
                    result = _step(module, (result, *arriving.further), flowing)
        except Exception:  # its forward needs values; any other error is raised again on the CPU
            if not own:
                raise
            result, flowing = _pass_on_cpu(modules[0], (tensor, *arriving.further), beside)
        if isinstance(result, Mapping):
            named = tuple(map(str, result))
        tensors.append(_checked(result).to("meta"))
        besides.append(flowing)
    return TrialInput(tensors, besides, named=named)


def _step(module: torch.nn.Module, inputs: tuple[Any, ...], beside: ForwardState) -> Any:
    if len(inputs) == 1:
        return step(module, inputs[0], beside)
    result = module(*inputs)
    return result[0] if isinstance(result, tuple) else result


def _step_by_step(found: Layer) -> bool:
    """True if the layer takes sequences (N, L, F) or tokens (N, L) of any length."""
    sequences = found.sequence and found.in_axis == -1
    return (sequences or (found.dtype == "int64" and found.axes == (1,))) and "in_shape" not in found.parameters


def _pass_few_steps(modules: list[torch.nn.Module], arriving: TrialInput) -> TrialInput:
    """`_pass` with sequences cut to a few steps; an axis that grows with them is as long as the whole sequence."""
    tensors, besides = [], []
    for tensor, beside in zip(arriving.tensors, arriving.besides, strict=True):
        steps = tensor.shape[1]
        if steps <= max(_FEW_STEPS):
            whole = _pass(modules, TrialInput([tensor], [beside]), own=False)
            tensors.append(whole.tensors[0])
            besides.append(whole.besides[0])
            continue
        cut = [tensor[:, :few] for few in _FEW_STEPS]
        masks = [None if beside.mask is None else beside.mask[:, :few] for few in _FEW_STEPS]
        trial = _pass(modules, TrialInput(cut, [ForwardState(mask, list(beside.places)) for mask in masks]), own=False)
        lengths = [steps if length is None else length for length in trial.shape]
        tensors.append(torch.empty(ROWS, *lengths, dtype=trial.tensors[0].dtype, device="meta"))
        besides.append(ForwardState(None if trial.besides[0].mask is None else beside.mask, list(beside.places)))
    return TrialInput(tensors, besides)


def _pass_on_cpu(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], beside: ForwardState
) -> tuple[Any, ForwardState]:
    """Run an own module, whose forward needs values, on zeros on the CPU."""
    mask = None if beside.mask is None else torch.ones(beside.mask.shape, dtype=torch.bool, device="cpu")
    flowing = ForwardState(mask)
    on_meta = any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))
    if on_meta:
        module = module.to_empty(device="cpu")
        for weight in (*module.parameters(), *module.buffers()):
            weight.detach().zero_()
    with torch.device("cpu"), torch.no_grad(), torch.random.fork_rng(devices=[]):
        zeros = tuple(torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu") for tensor in inputs)
        result = _step(module, zeros, flowing)
    mask = None if flowing.mask is None else flowing.mask.to("meta")
    return result, ForwardState(mask, list(beside.places))


def _checked(result: Any) -> torch.Tensor:
    """A layer's result, or the first of those that it gives by name. Raises ValueError where one has no batch axis in front."""
    if isinstance(result, Mapping) and result:
        return next(iter([_checked(part) for part in result.values()]))
    if not isinstance(result, torch.Tensor):
        raise ValueError(f"it returns a {type(result).__name__}; a tensor with the batch axis first is expected.")
    if result.ndim == 0 or result.shape[0] != ROWS:
        raise ValueError(
            f"it returns {tuple(result.shape)} for a batch of {ROWS}; a tensor with the batch axis first is expected."
        )
    return result
