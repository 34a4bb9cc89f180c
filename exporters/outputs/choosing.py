"""Output selection: the outputs of the task, those asked for, or a module's own where there is no task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from exporters.forward.arguments import Arguments
from exporters.forward.forward_record import ForwardRecord
from exporters.forward.results import flat_outputs, main_result, named_results
from exporters.outputs.class_maps import find_class_maps
from exporters.outputs.named_outputs import LAYER, NamedOutputs
from runtime.card import OutputCard
from runtime.errors import SpecError, suggest
from runtime.results import class_axis
from toolkit.builder.network import Ending, Network
from toolkit.explain.hooks import first_tensor

__all__ = ["choose_outputs"]

# By task: the outputs that can be asked for, those of every export first.
_OUTPUTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "classification": (("probabilities",), ("logits", "embedding", "cam")),
    "multilabel": (("probabilities",), ("logits", "embedding", "cam")),
    "regression": (("values",), ("embedding",)),
    "dense": (("probabilities",), ("logits",)),
    "embedding": (("embedding",), ()),
}


def choose_outputs(
    module: torch.nn.Module,
    task: str,
    outputs: Sequence[str] | None,
    arguments: Arguments,
    found: ForwardRecord,
    run: Callable[[], Any],
) -> NamedOutputs:
    """Wrap a module so that it returns the named outputs, or those of its task.

    Args:
        module: in evaluation mode.
        task: of its card.
        outputs: names; None takes the task's.
        arguments: how it is called.
        found: record of a run.
        run: runs it again.

    Raises:
        SpecError: there is no such output, or the module cannot give it.
    """
    case = _Case(module, task, arguments, found, run)
    own = None if outputs is None else [name for name in outputs if not name.startswith(LAYER)]
    layers = [] if outputs is None else [name for name in outputs if name.startswith(LAYER)]
    if outputs is not None and not outputs:
        raise SpecError("An empty list of outputs was given. Name at least one, or leave it out for those of the task.")
    if outputs is not None and len(set(outputs)) != len(outputs):
        raise SpecError(f"An output was asked for twice: {', '.join(outputs)}. Name each one once.")
    for name in layers:
        _check_layer(case, name.removeprefix(LAYER))
    named = _raw_outputs(case, own) if task == "raw" else _task_outputs(case, own)
    if not layers:
        return named
    cards = {card.name: card for card in named.cards} | {name: OutputCard(name, "feature_map") for name in layers}
    assert outputs is not None
    named.cards = tuple(cards[name] for name in outputs)
    return named


@dataclass(frozen=True)
class _Case:
    """One module with its task, arguments and recorded run."""

    module: torch.nn.Module
    task: str
    arguments: Arguments
    found: ForwardRecord
    run: Callable[[], Any]


def _raw_outputs(case: _Case, asked: list[str] | None) -> NamedOutputs:
    known = named_results(case.found.result)
    names = tuple(known if asked is None else asked)
    picked = set(names) <= set(known)
    if not picked and len(names) != len(known):
        raise SpecError(
            f"{len(names)} output names were given; the module returns {len(known)} tensors ({', '.join(known)}). Name each one, "
            f"or choose among these."
        )
    wanted = names if picked else tuple(known)
    for name in wanted:
        if not isinstance(known[name], torch.Tensor):
            tensors = [other for other, value in known.items() if isinstance(value, torch.Tensor)]
            chosen = f" Choose the outputs that are, with --outputs {','.join(tensors)}." if tensors else ""
            raise SpecError(
                f"The module's output {name!r} is a {type(known[name]).__name__}, and a file's outputs are tensors.{chosen}"
            )
    if not wanted and not any(isinstance(value, torch.Tensor) for value in known.values()) and asked is None:
        raise SpecError(f"{type(case.module).__name__} returns no tensor. A file needs one output at least.")
    cards = tuple(OutputCard(name, "raw") for name in names)
    in_order = names == tuple(known) or not picked
    return NamedOutputs(
        case.module, cards, None, None, "raw", arguments=_unless_plain(case.arguments), picked=not in_order
    )


def _task_outputs(case: _Case, asked: list[str] | None) -> NamedOutputs:
    task, module, head = case.task, case.module, case.found.head
    if task not in _OUTPUTS:
        raise SpecError(f"The task {task!r} was given.{suggest(task, (*_OUTPUTS, 'raw'))}")
    _check_result(case)
    default, further = _OUTPUTS[task]
    if "probabilities" in default and "embedding" in further and head is not None:
        default = (*default, "embedding")
    names = default if asked is None else tuple(asked)
    for name in names:
        if name not in (*default, *further):
            raise SpecError(
                f"There is no output {name!r} for {task}.{suggest(name, {*default, *further})} A layer's output is layer:NAME."
            )
    arguments = _unless_plain(case.arguments)
    if task == "embedding":
        cards = tuple(OutputCard(name, "embedding") for name in names)
        return NamedOutputs(module, cards, None, None, task, arguments=arguments)
    if "embedding" in names and head is None:
        raise SpecError(
            "An embedding was asked for (the input of the last linear layer), but the network has no linear layer. Ask for the "
            "output of another layer with layer:NAME."
        )
    ending: Ending | None = module.ends_in if isinstance(module, Network) else None
    if ending is None and task != "regression":
        ending = _ending(case)
        if "logits" in names and ending is not None:
            raise SpecError(
                f"Logits were asked for, but the module returns probabilities. Ask for probabilities, or export it without its "
                f"{ending}."
            )
    maps = find_class_maps(module, case.run) if "cam" in names else None
    cards = tuple(OutputCard(name, "feature_map" if name == "cam" else name) for name in names)
    return NamedOutputs(module, cards, head, ending, task, arguments=arguments, class_maps=maps)


def _unless_plain(arguments: Arguments) -> Arguments | None:
    return None if arguments.plain else arguments


def _check_result(case: _Case) -> None:
    axes, expected = ((3, 4), "(N, L, K) or (N, K, H, W)") if case.task == "dense" else ((2,), "(N, K)")
    result = main_result(case.found.result)
    if not isinstance(result, torch.Tensor) or result.ndim not in axes:
        raise SpecError(
            f"For {case.task} one output of shape {expected} is expected; the module returns {_described(result)}. Export it "
            f"with --task raw (task='raw' in Python), which takes any outputs."
        )


def _check_layer(case: _Case, path: str) -> None:
    """Raises SpecError where there is no such layer, or it gives no tensor."""
    modules = dict(case.module.named_modules())
    if not path or path not in modules:
        raise SpecError(f"The network has no layer {path!r}.{suggest(path, [name for name in modules if name])}")
    if isinstance(modules[path], torch.jit.ScriptModule):
        raise SpecError(
            f"The layer {path!r} is TorchScript, which cannot be listened to. Export the module that it was made from."
        )
    given: list[torch.Tensor | None] = []
    handle = modules[path].register_forward_hook(lambda _module, _inputs, output: given.append(first_tensor(output)))
    try:
        with torch.no_grad():
            case.run()
    finally:
        handle.remove()
    if not given or given[-1] is None:
        what = "does not run" if not given else "returns no tensor"
        raise SpecError(f"The layer {path!r} {what} on the example, so it has no output to give. Name another layer.")


def _ending(case: _Case) -> Ending | None:
    """Final activation of a module ("sigmoid", "softmax" or None), inferred from the recorded result.

    Rows that add up to 1 are probabilities. Independent ones are recognised only by the sigmoid that made them.
    """
    result = main_result(case.found.result)
    if case.task == "multilabel":
        return "sigmoid" if case.found.made_by_sigmoid(result) else None
    total = result.sum(class_axis(result.ndim))
    return "softmax" if bool((result >= 0).all()) and torch.allclose(total, torch.ones_like(total), atol=1e-4) else None


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    tensors = len(flat_outputs(value))
    return f"a {type(value).__name__}" + (f" of {tensors}" if isinstance(value, list | tuple) else "")
