"""Record of one forward run: result, linear layers in run order, random operators, batch statistics."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from exporters.forward.results import flat_outputs

__all__ = ["ForwardRecord", "record_forward"]

# Operators that draw random numbers, by the name before the overload.
_RANDOM = frozenset(
    {
        "bernoulli", "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "multinomial", "native_dropout",
        "normal", "normal_", "poisson", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "random_",
        "randperm", "rrelu_with_noise", "rrelu_with_noise_", "uniform", "uniform_",
    }
)  # fmt: skip
_BATCH_NORM = frozenset(
    {"native_batch_norm", "_native_batch_norm_legit", "_batch_norm_with_update", "cudnn_batch_norm"}
)


@dataclass
class ForwardRecord:
    """Record of one forward run.

    Attributes:
        result: what the module returned.
        linears: path and module of each linear layer, in the order in which they ran; a layer that ran twice is there twice.
        random: path of a module -> name of a random operator that ran directly within it.
        batch_statistics: paths of the modules in which a normalisation took the mean and variance of what it was given.
        writes: whether the module changed its inputs.
    """

    result: Any = None
    linears: list[tuple[str, torch.nn.Linear]] = field(default_factory=list)
    random: dict[str, str] = field(default_factory=dict)
    batch_statistics: list[str] = field(default_factory=list)
    writes: bool = False
    _sigmoids: list[torch.Tensor] = field(default_factory=list)

    @property
    def head(self) -> torch.nn.Linear | None:
        """Linear layer that ran last, or None."""
        return self.linears[-1][1] if self.linears else None

    def made_by_sigmoid(self, tensor: torch.Tensor) -> bool:
        """Test that this tensor is the output of a sigmoid, also after a change of shape."""
        return any(tensor is known for known in self._sigmoids)


def record_forward(module: torch.nn.Module, run: Callable[[], Any]) -> ForwardRecord:
    """Run `module` once without gradients and record it. The random state stays as it was.

    Args:
        module: the network.
        run: calls it.
    """
    found = ForwardRecord()
    running: list[str] = []
    with torch.no_grad(), torch.random.fork_rng(devices=[]), _announced(module, running, found), _Watch(found, running):
        found.result = run()
    return found


@contextlib.contextmanager
def _announced(module: torch.nn.Module, running: list[str], found: ForwardRecord) -> Iterator[None]:
    """Within the ``with``, keep the paths of the running modules in `running`, innermost last."""

    def enter(path: str) -> Callable[..., None]:
        def hook(child: torch.nn.Module, _inputs: Any) -> None:
            running.append(path)
            if isinstance(child, torch.nn.Linear):
                found.linears.append((path, child))

        return hook

    def leave(_child: torch.nn.Module, _inputs: Any, _output: Any) -> None:
        running.pop()

    with contextlib.ExitStack() as stack:
        for path, child in module.named_modules():
            if isinstance(child, torch.jit.ScriptModule):
                continue
            stack.callback(child.register_forward_pre_hook(enter(path)).remove)
            stack.callback(child.register_forward_hook(leave, always_call=True).remove)
        yield


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Dispatch mode that records the operators that run."""

    # torch.cond and scan run their bodies as one operator
    supports_higher_order_operators = True

    def __init__(self, found: ForwardRecord, running: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._found = found
        self._running = running

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not isinstance(func, torch._ops.OpOverload):
            return made
        name = func.overloadpacket.__name__
        where = self._running[-1] if self._running else ""
        if name in _RANDOM and _draws(func, args, kwargs or {}):
            self._found.random.setdefault(where, name)
        if name in _BATCH_NORM and _uses_batch(func, args, kwargs or {}) and where not in self._found.batch_statistics:
            self._found.batch_statistics.append(where)
        passes_on = func.is_view or any(part in name for part in ("clone", "copy", "cat", "stack"))
        if "sigmoid" in name or (passes_on and any(self._found.made_by_sigmoid(value) for value in flat_outputs(args))):
            self._found._sigmoids += [value for value in flat_outputs(made) if isinstance(value, torch.Tensor)]
        return made


def _argument(func: Any, args: Any, kwargs: Any, name: str) -> Any:
    """The argument of an operator that its schema calls `name`, or None."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.name == name:
            return args[place] if place < len(args) else kwargs.get(name, argument.default_value)
    return None


def _draws(func: Any, args: Any, kwargs: Any) -> bool:
    """Test that an operator draws random numbers, as dropout with p = 0 and rrelu in evaluation mode do not."""
    name = func.overloadpacket.__name__
    if name == "native_dropout":
        return bool(_argument(func, args, kwargs, "p")) and _argument(func, args, kwargs, "train") is not False
    return not name.startswith("rrelu") or bool(_argument(func, args, kwargs, "training"))


def _uses_batch(func: Any, args: Any, kwargs: Any) -> bool:
    """Test that a normalisation uses the input's mean and variance rather than the running ones."""
    training = _argument(func, args, kwargs, "training")
    return training is not False or _argument(func, args, kwargs, "running_mean") is None
