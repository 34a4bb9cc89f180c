"""Parameter groups: frozen layers, learning rates and weight decay, by layer name."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from runtime.errors import SpecError, suggest
from toolkit.training.named import split_named
from toolkit.training.optimization.optimizers import OPTIMIZERS, find_optimizer, usual_rate
from toolkit.training.optimization.schedules import peak_factor
from toolkit.training.settings import Settings

__all__ = ["freeze_layers", "freezing_kept", "frozen_norms", "matching_layers", "parameter_groups"]

_NORMS = (
    torch.nn.modules.batchnorm._NormBase,
    torch.nn.LayerNorm,
    torch.nn.GroupNorm,
    torch.nn.RMSNorm,
)
_TAKE_SPARSE = ("sgd", "adagrad", "lbfgs")
# written on a parameter that a training froze, so that the next one can let it learn again
_FROZEN = "frozen_by_training"


def matching_layers(pattern: str, names: Iterable[str]) -> list[str]:
    """Names of the layers that match a pattern; * matches anything, case is ignored.

    A name such as "resnet18.layer4" also matches all layers inside it.

    Args:
        pattern: such as "conv2d1" or "backbone*".
        names: of all modules, such as `named_modules` gives them.

    Raises:
        SpecError: it matches none; with the closest names.
    """
    names = [name for name in names if name]
    wanted = str(pattern).lower()
    found = [name for name in names if fnmatch.fnmatchcase(name.lower(), wanted)]
    if not found:
        deeper = next((name for name in names if fnmatch.fnmatchcase(name.lower(), f"*.{wanted}")), None)
        if deeper is not None:
            raise SpecError(f"No layer is called {pattern!r}. {deeper!r} is within another layer: say '*.{pattern}'.")
        top = [name for name in names if "." not in name]
        raise SpecError(
            f"No layer is called {pattern!r}.{suggest(str(pattern), top if '.' not in str(pattern) else names)}"
        )
    return found


def freeze_layers(network: torch.nn.Module, patterns: Iterable[str]) -> None:
    """Freeze the weights of these layers, and unfreeze those that an earlier call froze.

    Args:
        network: the weights' ``requires_grad`` is set.
        patterns: as `matching_layers` takes them; none unfreezes all.

    Raises:
        SpecError: a pattern matches no layer.
    """
    frozen = set(map(id, _parameters(network, patterns)))
    for parameter in network.parameters():
        if id(parameter) in frozen:
            if parameter.requires_grad:
                parameter.requires_grad_(False)
                setattr(parameter, _FROZEN, True)
        elif getattr(parameter, _FROZEN, False):
            parameter.requires_grad_(True)
            delattr(parameter, _FROZEN)


@contextlib.contextmanager
def freezing_kept(network: torch.nn.Module) -> Iterator[None]:
    """Context manager: restore the weights' ``requires_grad`` afterwards."""
    before = [(parameter, parameter.requires_grad, hasattr(parameter, _FROZEN)) for parameter in network.parameters()]
    try:
        yield
    finally:
        for parameter, learns, marked in before:
            parameter.requires_grad_(learns)
            if marked:
                setattr(parameter, _FROZEN, True)
            elif hasattr(parameter, _FROZEN):
                delattr(parameter, _FROZEN)


def frozen_norms(network: torch.nn.Module, patterns: Iterable[str]) -> list[torch.nn.Module]:
    """The batch normalisations within these layers: a training keeps them in evaluation mode.

    Otherwise their running statistics would change although the layer is frozen.

    Raises:
        SpecError: a pattern matches no layer.
    """
    modules = dict(network.named_modules())
    within = [modules[name] for pattern in patterns for name in matching_layers(pattern, modules)]
    found = [
        module
        for layer in within
        for module in layer.modules()
        if isinstance(module, torch.nn.modules.batchnorm._NormBase)
    ]
    return list(dict.fromkeys(found))


def parameter_groups(
    network: torch.nn.Module, settings: Settings, base_lr: float | None = None
) -> list[dict[str, Any]]:
    """Trainable weights in groups of equal rate and decay; `settings.freeze` is applied first.

    Args:
        network: weights of layers that `settings.freeze` names are frozen, see `freeze_layers`.
        settings: ``rates`` (the last pattern that matches a layer counts), ``weight_decay`` and ``decay_all``.
        base_lr: learning rate of layers without a factor; None takes ``settings.lr``, or the optimiser's usual one.

    Returns:
        Mappings with "params", "lr", "weight_decay" and "name". The layers without a factor come first.

    Raises:
        SpecError: a pattern matches no layer, nothing is left to learn, or the optimiser does not suit the weights.
    """
    freeze_layers(network, settings.freeze)
    sparse = _check_sparse(network, settings)
    if base_lr is None:
        usual = usual_rate(settings.optimizer) * peak_factor(settings.schedule)
        base_lr = usual if settings.lr is None else settings.lr
    factors = {
        id(parameter): (pattern, factor)
        for pattern, factor in settings.rates.items()
        for parameter in _parameters(network, [pattern])
    }
    optimizer = split_named(find_optimizer(settings.optimizer), "optimiser")[0]
    decayed = _decayed(network)
    groups: dict[tuple[str, bool], dict[str, Any]] = {}
    for parameter in network.parameters():
        if not parameter.requires_grad:
            continue
        pattern, factor = factors.get(id(parameter), ("", 1.0))
        decays = settings.decay_all or id(parameter) in decayed or settings.weight_decay == 0
        name = " ".join(filter(None, (pattern or "all", "" if decays else "without decay")))
        group = {
            "params": [],
            "lr": base_lr * factor,
            "weight_decay": settings.weight_decay if decays else 0.0,
            "name": name,
            # one kernel for all weights takes no sparse gradients
            **({"fused": False} if sparse and optimizer in ("sgd", "adagrad") else {}),
        }
        groups.setdefault((pattern, decays), group)["params"].append(parameter)
    if not groups:
        frozen = (
            f" freeze={list(settings.freeze)} freezes every layer; leave the last one out." if settings.freeze else ""
        )
        raise SpecError(f"The network has no weights to learn.{frozen}")
    if not any(group["lr"] for group in groups.values()):
        raise SpecError(
            f"rates={dict(settings.rates)} gives every layer a rate of 0, so nothing would learn. Leave one out."
        )
    # those without a factor first: their rate is the one that is shown
    return [groups[key] for key in sorted(groups, key=lambda key: (key[0] != "", not key[1]))]


def _parameters(network: torch.nn.Module, patterns: Iterable[str]) -> list[torch.nn.Parameter]:
    modules = dict(network.named_modules())
    return [
        parameter
        for pattern in patterns
        for name in matching_layers(pattern, modules)
        for parameter in modules[name].parameters()
    ]


def _decayed(network: torch.nn.Module) -> set[int]:
    """Parameters with weight decay: matrices and kernels, but no weights of normalisation layers."""
    return {
        id(parameter)
        for module in network.modules()
        if not isinstance(module, _NORMS)
        for parameter in module.parameters(recurse=False)
        if parameter.ndim >= 2
    }


def _check_sparse(network: torch.nn.Module, settings: Settings) -> bool:
    """True if an embedding's gradients are sparse. Raises SpecError where the optimiser cannot take them."""
    name = split_named(find_optimizer(settings.optimizer), "optimiser")[0]
    only_sparse = OPTIMIZERS[name].sparse
    sparse = {
        id(module.weight)
        for module in network.modules()
        if isinstance(module, torch.nn.Embedding | torch.nn.EmbeddingBag) and module.sparse
    }
    learning = [(key, parameter) for key, parameter in network.named_parameters() if parameter.requires_grad]
    dense = [key for key, parameter in learning if id(parameter) not in sparse]
    if only_sparse and dense:
        raise SpecError(
            f"The optimiser {name!r} is for embeddings with sparse=True only, and {dense[0]!r} is none. Freeze all other "
            "layers, or take adam."
        )
    if only_sparse or len(dense) == len(learning):
        return only_sparse
    if name not in _TAKE_SPARSE or settings.weight_decay > 0:
        given = f"the optimiser {name!r}" if name not in _TAKE_SPARSE else "weight_decay"
        raise SpecError(
            f"The network has an embedding with sparse=True, whose gradients do not go together with {given}. Use one of "
            f"{', '.join(_TAKE_SPARSE)} without weight_decay, or leave sparse out."
        )
    return True
