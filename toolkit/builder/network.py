"""The built network: a torch.nn.Sequential that gives its logits, and carries masks and pooling indices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

import torch

from model_zoo.masking import Padding, find_masked, find_padding
from runtime.errors import SpecError
from toolkit.builder.target_scaling import NAME, TargetScaling

__all__ = ["Ending", "ForwardState", "Network", "step"]

Ending: TypeAlias = Literal["softmax", "logsoftmax", "sigmoid"]

_ENDINGS: dict[type[torch.nn.Module], Ending] = {
    torch.nn.Softmax: "softmax",
    torch.nn.LogSoftmax: "logsoftmax",
    torch.nn.Sigmoid: "sigmoid",
}
_POOLS = (torch.nn.MaxPool1d, torch.nn.MaxPool2d, torch.nn.MaxPool3d)


@dataclass
class ForwardState:
    """State of one forward pass beside the tensor: padding mask and pooling indices.

    Attributes:
        mask: (N, L) bool, True where a step of the sequence is real; None where every step is.
        places: stack of the poolings not undone yet: indices, and lengths (...) of the pooling's input.
        axis: of the tensor, along which the mask's steps lie.
        skips: every layer leaves padding out, rather than those alone that take a mask.
    """

    mask: torch.Tensor | None = None
    places: list[tuple[torch.Tensor, torch.Size]] = field(default_factory=list)
    axis: int = 1
    skips: bool = False

    def filled(self, x: Any) -> Any:
        """A tensor with zeros in its padded steps, where padding is left out."""
        if self.mask is None or not self.skips or not isinstance(x, torch.Tensor):
            return x
        return Padding(self.mask, self.axis).filled(x)


def step(module: torch.nn.Module, x: Any, beside: ForwardState) -> Any:
    """Run one module, and update `beside`.

    - A module with a method ``padding_mask(x)`` makes the mask (N, L), True where a step is real, or None.
    - A module whose ``takes_mask`` is True is called with ``mask=``, when there is one.
    - A module whose ``drops_mask`` is True drops the mask, and so does one whose output has not the mask's steps.
    - Maximum pooling with ``return_indices=True`` leaves them for the module behind whose ``takes_places`` is True: that
      one is called with the indices and the lengths.
    - Of a tuple, as torch.nn.LSTM returns it, the first tensor goes on.
    - Where `beside.skips`, a layer with a masked form (`model_zoo.masking`) is run by it, and any other one that takes no mask
      is given zeros in the padded steps.

    Raises:
        ValueError: there is no pooling to undo.
    """
    if isinstance(module, _POOLS) and module.return_indices:
        pooled, indices = module(x) if not beside.skips or beside.mask is None else _masked_form(module, x, beside)
        beside.places.append((indices, x.shape[2:]))
        beside.mask = None
        return pooled
    if beside.mask is None:
        if getattr(type(module), "padding_mask", None) is not None:
            beside.mask = module.padding_mask(x)  # type: ignore[operator]
        if getattr(type(module), "takes_places", False):
            if not beside.places:
                raise ValueError(
                    "there is no maxpool before it to undo. Give a maxpool before it return_indices=True; each one is undone once."
                )
            return module(x, *beside.places.pop())
        x = module(x)
        return x[0] if isinstance(x, tuple) else x
    return _masked_step(module, x, beside)


def _masked_step(module: torch.nn.Module, x: Any, beside: ForwardState) -> Any:
    """`step` under a mask."""
    if beside.skips and find_masked(_ordinary(module)) is not None:
        return _masked_form(module, x, beside)
    takes = getattr(module, "takes_mask", False) and beside.axis == 1
    x = x if takes else beside.filled(x)
    mask, beside.mask = beside.mask, None
    assert mask is not None
    result = module(x, mask=mask) if takes else step(module, x, beside)
    if getattr(module, "drops_mask", False):
        beside.mask = None
        return result
    again = beside.mask
    mask = mask if again is None else mask & again
    result = result[0] if isinstance(result, tuple) else result
    beside.mask = mask if _still_steps(result, mask, beside.axis) else None
    return result


def _masked_form(module: torch.nn.Module, x: torch.Tensor, beside: ForwardState) -> Any:
    """Run a layer by its masked form."""
    assert beside.mask is not None
    layer = _ordinary(module)
    form = find_masked(layer)
    assert form is not None
    result, after = form(module, layer, x, Padding(beside.mask, beside.axis))
    beside.mask, beside.axis = (None, 1) if after is None else (after.mask, after.axis)
    return result


def _ordinary(module: torch.nn.Module) -> torch.nn.Module:
    """The layer in whose place a module stands while it is traced; else the module itself."""
    found: torch.nn.Module = vars(module).get("ordinary", module)
    return found


def _still_steps(x: Any, mask: torch.Tensor, axis: int) -> bool:
    """True if `x` (N, ...) has the mask's steps. An exporter's dynamic lengths are not compared, to stay dynamic."""
    if not isinstance(x, torch.Tensor) or x.ndim < max(3, axis + 1):
        return False
    length, steps = x.shape[axis], mask.shape[1]
    return not (isinstance(length, int) and isinstance(steps, int)) or length == steps


class Network(torch.nn.Sequential):
    """The modules in order. `forward` runs all of them; `logits` leaves a final softmax, log-softmax or sigmoid out.

    Training on the logits and keeping the softmax for inference is what makes a network that ends in softmax learn as
    well as one that does not: cross-entropy applies a log-softmax itself, and a second softmax flattens its gradient.

    Attributes:
        input_dtype: dtype of the input: float32, or int64 for tokens.
        further_inputs: shape without the batch axis and dtype of the inputs beside the first one.
        padding: what tells padded steps of the input from real ones: "nan" or a token; None where all are real.
        skips_padding: every layer leaves padding out, rather than those alone that take a mask. What comes out at padded
            steps is zero then, before a final activation.
    """

    input_dtype: torch.dtype = torch.float32
    further_inputs: tuple[tuple[tuple[int, ...], torch.dtype], ...] = ()
    padding: int | Literal["nan"] | None = None
    skips_padding: bool = False

    @property
    def ends_in(self) -> Ending | None:
        """Final activation that `logits` leaves out: "softmax", "logsoftmax" or "sigmoid"; else None."""
        last = self[-1] if len(self) else None
        return next((name for kind, name in _ENDINGS.items() if isinstance(last, kind)), None)

    @property
    def target_scaling(self) -> TargetScaling | None:
        """The fixed last step of a network that learns scaled targets, or None."""
        found = self._modules.get(NAME)
        return found if isinstance(found, TargetScaling) else None

    def set_target_scaling(self, scaling: TargetScaling | None) -> None:
        """Put this step last in place of the one so far; None takes it away."""
        self._modules.pop(NAME, None)
        if scaling is not None:
            self.add_module(NAME, scaling)

    @property
    def has_own_loss(self) -> bool:
        """True if a module has its own loss, ``training_loss(inputs) -> scalar``, and learns without targets."""
        return self._with_own_loss() is not None

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Forward pass: (N, ...) -> the output of the last module. The first module takes all inputs, where there are several."""
        return self._run(self, *inputs)

    def logits(self, *inputs: torch.Tensor) -> Any:
        """Output before the final activation that `ends_in` names; the whole output where there is none."""
        modules = list(self)
        return self._run(modules if self.ends_in is None else modules[:-1], *inputs)

    def scaled(self, *inputs: torch.Tensor) -> Any:
        """Output before `target_scaling`, in deviations of the targets; the whole output where there is none."""
        modules = list(self)
        return self._run(modules if self.target_scaling is None else modules[:-1], *inputs)

    def training_loss(self, input: torch.Tensor) -> torch.Tensor:
        """Scalar loss of the module that has its own, for inputs (N, ...); the modules before it run first.

        Raises:
            AttributeError: no module has one; see `has_own_loss`.
        """
        position = self._with_own_loss()
        if position is None:
            raise AttributeError("No module of this network has a training_loss of its own.")
        modules = list(self)
        module = cast(Any, modules[position])
        return cast(torch.Tensor, module.training_loss(self._run(modules[:position], input)))

    def _with_own_loss(self) -> int | None:
        for position, module in enumerate(self):
            if hasattr(type(module), "training_loss") and getattr(module, "has_own_loss", True):
                return position
        return None

    def _run(self, modules: Iterable[torch.nn.Module], *inputs: torch.Tensor) -> Any:
        """Run some modules; padded steps come out as zeros, before the final activation where there is one."""
        beside: ForwardState | None = None
        modules = iter(modules)
        x: Any = inputs[0] if len(inputs) == 1 else _joined(next(modules), inputs)
        if self.padding is not None and len(inputs) == 1:
            x, padding = find_padding(x, self.padding)
            beside = None if padding is None else ForwardState(padding.mask, skips=self.skips_padding)
        for module in modules:
            # most modules of most networks take one tensor and give one: no more is asked of them than Sequential does
            if type(module) in _PLAIN and (beside is None or beside.mask is None):
                x = module(x)
                continue
            beside = beside or ForwardState(skips=self.skips_padding)
            if beside.mask is not None and module is self[-1] and self.ends_in is not None:
                return _with_batch_axis(module, beside.filled(x), beside)
            x = _with_batch_axis(module, x, beside)
        return x if beside is None else beside.filled(x)


def _joined(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Any:
    """Run the first module of a network of several inputs, which takes all of them."""
    result = module(*inputs)
    return result[0] if isinstance(result, tuple) else result


def _with_batch_axis(module: torch.nn.Module, x: Any, beside: ForwardState) -> Any:
    """`step`, with an error that names a user's module that drops the batch axis of a single input."""
    own = type(module).__module__.partition(".")[0] not in ("torch", "torchvision", "model_zoo", "toolkit")
    alone = isinstance(x, torch.Tensor) and x.ndim > 0 and isinstance(x.shape[0], int) and x.shape[0] == 1
    if not own or not alone:
        return step(module, x, beside)
    try:
        result = step(module, x, beside)
    except (RuntimeError, ValueError, IndexError) as error:
        raise SpecError(f"{type(module).__name__} fails on one input {tuple(x.shape)}: {error}. {_SQUEEZES}") from error
    if isinstance(result, torch.Tensor) and (result.ndim == 0 or result.shape[0] != 1):
        raise SpecError(
            f"{type(module).__name__} makes {tuple(result.shape)} of one input {tuple(x.shape)}; the batch axis of length 1 is to "
            f"stay in front. {_SQUEEZES}"
        )
    return result


_SQUEEZES = "Where it squeezes, name the axis, such as squeeze(1): without it the batch axis goes too."


_PLAIN = frozenset(
    kind
    for name, kind in vars(torch.nn).items()
    if isinstance(kind, type)
    and issubclass(kind, torch.nn.Module)
    and "MaxPool" not in name
    and not issubclass(kind, torch.nn.RNNBase | torch.nn.RNNCellBase | torch.nn.MultiheadAttention)
)
"""torch's own modules that have one output and nothing to say beside it."""
