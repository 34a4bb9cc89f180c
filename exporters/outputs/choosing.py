"""Output selection: the outputs of the task, those asked for, or a module's own where there is no task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
from runtime.results import Decoder, class_axis, find_decoder
from toolkit.builder.network import Ending, Network
from toolkit.explain.hooks import first_tensor
from toolkit.training.losses import Answer

__all__ = ["choose_outputs", "free_names"]


def choose_outputs(
    module: torch.nn.Module,
    task: str,
    outputs: Sequence[str] | None,
    arguments: Arguments,
    found: ForwardRecord,
    run: Callable[[], Any],
    answer: Answer | None = None,
) -> NamedOutputs:
    """Wrap a module so that it returns the named outputs, or those of its task.

    Args:
        module: in evaluation mode.
        task: of its card.
        outputs: names; None takes the task's.
        arguments: how it is called.
        found: record of a run.
        run: runs it again.
        answer: computes the answer of the task where that is not the module's plain output.

    Raises:
        SpecError: there is no such output, or the module cannot give it.
    """
    case = _Case(module, arguments, found, run, answer)
    own = None if outputs is None else [name for name in outputs if not name.startswith(LAYER)]
    layers = [] if outputs is None else [name for name in outputs if name.startswith(LAYER)]
    if outputs is not None and not outputs:
        raise SpecError("An empty list of outputs was given. Name at least one, or leave it out for those of the task.")
    if outputs is not None and len(set(outputs)) != len(outputs):
        raise SpecError(f"An output was asked for twice: {', '.join(outputs)}. Name each one once.")
    for name in layers:
        _check_layer(case, name.removeprefix(LAYER))
    decoder = find_decoder(task)
    named = _own_outputs(case, decoder, own) if decoder.named_by_module else _role_outputs(case, decoder, own)
    if not layers:
        return named
    assert outputs is not None
    cards = iter(named.cards)
    named.cards = tuple(OutputCard(name, "feature_map") if name in layers else next(cards) for name in outputs)
    return named


@dataclass(frozen=True)
class _Case:
    """One module with its arguments and recorded run."""

    module: torch.nn.Module
    arguments: Arguments
    found: ForwardRecord
    run: Callable[[], Any]
    answer: Answer | None = None


def _own_outputs(case: _Case, decoder: Decoder, asked: list[str] | None) -> NamedOutputs:
    """The module's own outputs, by name or all of them in order."""
    originals = free_names(named_results(case.found.result), case.arguments.names)
    known = dict(zip(originals, named_results(case.found.result).values(), strict=True))
    called = {original: name for name, original in originals.items()}
    names = tuple(known if asked is None else (called.get(name, name) for name in asked))
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
    _check_names(names, case.arguments.names)
    cards = tuple(OutputCard(name, decoder.role(called.get(name, name))) for name in names)
    in_order = names == tuple(known) or not picked
    picks = None if in_order else tuple(originals[name] for name in names)
    return NamedOutputs(case.module, cards, None, None, arguments=_unless_plain(case.arguments), own=True, picked=picks)


def free_names(names: Iterable[str], inputs: Sequence[str]) -> dict[str, str]:
    """Names for outputs, of which a file may have none twice, its inputs' among them: name -> the module's own name."""
    own = list(names)
    found: dict[str, str] = {}
    for name in own:
        free = name
        while free in inputs or (free != name and free in own):
            free += "_out"
        found[free] = name
    return found


def _check_names(names: Sequence[str], inputs: Sequence[str]) -> None:
    """Raise SpecError where an output is to be called like an input."""
    for name in set(names) & set(inputs):
        raise SpecError(
            f"An input and an output are both called {name!r}, and a file has every name once. Call the output otherwise with "
            f"--outputs (outputs in Python), or the input with --card (inputs in Python)."
        )


def _role_outputs(case: _Case, decoder: Decoder, asked: list[str] | None) -> NamedOutputs:
    """Outputs called by their role, made of the module's one tensor."""
    module, head = case.module, case.found.head
    _check_result(case, decoder)
    default, further = decoder.exported, decoder.on_request
    if "probabilities" in default and "embedding" in further and head is not None:
        default = (*default, "embedding")
    names = default if asked is None else tuple(asked)
    for name in names:
        if name not in (*default, *further):
            raise SpecError(
                f"There is no output {name!r} for {decoder.name}.{suggest(name, {*default, *further})} A layer's output is layer:NAME."
            )
    if decoder.result_role == "embedding":
        head = None  # the module's own result is the embedding
    elif "embedding" in names and head is None:
        raise SpecError(
            "An embedding was asked for (the input of the last linear layer), but the network has no linear layer. Ask for the "
            "output of another layer with layer:NAME."
        )
    _check_names(names, case.arguments.names)
    ending: Ending | None = module.ends_in if isinstance(module, Network) else None
    if ending is None and decoder.activation is not None:
        ending = _ending(case, decoder.activation)
        if "logits" in names and ending is not None:
            raise SpecError(
                f"Logits were asked for, but the module returns probabilities. Ask for probabilities, or export it without its "
                f"{ending}."
            )
    maps = find_class_maps(module, case.run) if "cam" in names else None
    cards = tuple(OutputCard(name, "feature_map" if name == "cam" else name) for name in names)
    if case.answer is not None and case.answer.role in names and asked is None:
        cards += tuple(OutputCard(name, "raw") for name in case.answer.further)
    return NamedOutputs(
        module,
        cards,
        head,
        ending,
        decoder.activation or "softmax",
        arguments=_unless_plain(case.arguments),
        class_maps=maps,
        answer=case.answer,
    )


def _unless_plain(arguments: Arguments) -> Arguments | None:
    return None if arguments.plain else arguments


def _check_result(case: _Case, decoder: Decoder) -> None:
    result = main_result(case.found.result)
    if not isinstance(result, torch.Tensor) or result.ndim not in decoder.result_axes:
        raise SpecError(
            f"For {decoder.name} one output of shape {decoder.result_shape} is expected; the module returns {_described(result)}. Export it "
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


def _ending(case: _Case, activation: Ending) -> Ending | None:
    """`activation` where the module ends in it, inferred from the recorded result; else None.

    Rows that add up to 1 are probabilities. Independent ones are recognised only by the sigmoid that made them.
    """
    result = main_result(case.found.result)
    if activation == "sigmoid":
        return "sigmoid" if case.found.made_by_sigmoid(result) else None
    total = result.sum(class_axis(result.ndim))
    return "softmax" if bool((result >= 0).all()) and torch.allclose(total, torch.ones_like(total), atol=1e-4) else None


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    tensors = len(flat_outputs(value))
    return f"a {type(value).__name__}" + (f" of {tensors}" if isinstance(value, list | tuple) else "")
