"""A network with named outputs: probabilities, logits, embedding, class activation maps, and the output of any layer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch

from exporters.forward.arguments import Arguments
from exporters.forward.results import flat_outputs, main_result, named_results
from exporters.outputs.class_maps import ClassMaps
from runtime.card import OutputCard
from runtime.results import class_axis
from toolkit.builder.network import Ending
from toolkit.explain.hooks import first_tensor
from toolkit.training.losses import Answer

__all__ = ["LAYER", "NamedOutputs"]

LAYER = "layer:"
"""What an output's name begins with that is the output of a layer."""


class NamedOutputs(torch.nn.Module):
    """Wrapper of a network: inputs -> a tuple with one tensor per entry of `cards`.

    Args:
        module: the network, in evaluation mode.
        cards: the outputs in order. The name of one that is a layer's output begins with "layer:", and "cam" are the class
            activation maps.
        head: the linear layer whose input is the embedding, or None.
        ends_in: the final activation where the module itself returns probabilities, or their logarithms; a module of which
            logits are asked has a method ``logits`` then.
        activation: what makes probabilities of the logits: "sigmoid" of each by itself, "softmax" one distribution of them.
        arguments: how the module is called; None passes the inputs on as they are.
        class_maps: where the class activation maps are found.
        own: the outputs are the module's own, as those of the role "raw" always are.
        answer: computes the answer of the task where that is not the module's plain output.
        picked: the module's own names of the outputs to take; None takes all of them in order.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        cards: tuple[OutputCard, ...],
        head: torch.nn.Linear | None,
        ends_in: Ending | None,
        activation: Literal["softmax", "sigmoid"] = "softmax",
        *,
        arguments: Arguments | None = None,
        class_maps: ClassMaps | None = None,
        own: bool = False,
        picked: tuple[str, ...] | None = None,
        answer: Answer | None = None,
    ) -> None:
        super().__init__()
        self.module = module
        self.cards = cards
        self.ends_in = ends_in
        self.activation: Ending = activation
        self.arguments = arguments
        self.class_maps = class_maps
        self.own = own or (answer is None and any(card.role == "raw" for card in cards))
        self.answer = answer
        self.picked = picked
        # in a list, so that it is not a child a second time
        self._head = [head] if head is not None and any(card.role == "embedding" for card in cards) else []

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Tensors (B, ...) -> one tensor per output."""
        with contextlib.ExitStack() as stack:
            # for this run only: the module is the caller's, and keeps nothing of ours
            caught = stack.enter_context(self._listening())
            found = self._run(*inputs)
        if "head" in caught:
            found["embedding"] = caught["head"].flatten(1)
        if self.class_maps is not None:
            found["cam"] = self.class_maps.from_features(self.module, caught["cam"])
        found.update({name: tensor for name, tensor in caught.items() if name.startswith(LAYER)})
        return tuple(found[card.name] for card in self.cards)

    def _run(self, *inputs: torch.Tensor) -> dict[str, Any]:
        """Run the module: output name -> tensor, without the outputs captured by hooks."""
        roles = {card.role for card in self.cards}
        if self.answer is not None:
            return self._answered(inputs, roles)
        if "logits" in roles and self.ends_in is not None:
            logits = self.module.logits(*inputs)  # type: ignore[operator]
            return {"logits": logits, "probabilities": self._probabilities(logits, self.ends_in)}
        result = self._call(inputs)
        if self.own:
            own = [card.name for card in self.cards if not card.name.startswith(LAYER)]
            if self.picked is not None:
                results = named_results(result)
                return {name: results[original] for name, original in zip(own, self.picked, strict=True)}
            return dict(zip(own, flat_outputs(result), strict=True))
        result = main_result(result)
        found = {"logits": result, "values": result, "embedding": result}
        if "probabilities" in roles:
            if self.ends_in is None:
                found["probabilities"] = self._probabilities(result, self.activation)
            else:
                found["probabilities"] = result.exp() if self.ends_in == "logsoftmax" else result
        return found

    def _answered(self, inputs: tuple[torch.Tensor, ...], roles: set[str]) -> dict[str, Any]:
        assert self.answer is not None
        found: dict[str, Any] = self.answer(self.module, inputs)
        if "logits" in roles:
            found["logits"] = self.module.logits(*inputs) if self.ends_in is not None else self.module(*inputs)  # type: ignore[operator]
        return found

    def _call(self, inputs: tuple[torch.Tensor, ...]) -> Any:
        return self.module(*inputs) if self.arguments is None else self.arguments.call(self.module, inputs)

    def _probabilities(self, logits: torch.Tensor, by: Ending) -> torch.Tensor:
        return logits.sigmoid() if by == "sigmoid" else logits.softmax(class_axis(logits.ndim))

    @contextlib.contextmanager
    def _listening(self) -> Iterator[dict[str, torch.Tensor]]:
        """Within the ``with``, capture by hooks: "head", "cam" and "layer:..." -> the last tensor."""
        caught: dict[str, torch.Tensor] = {}

        def entering(name: str) -> Callable[..., None]:
            def hook(_module: torch.nn.Module, inputs: Any, keywords: Any) -> None:
                caught[name] = first_tensor((inputs, keywords))  # type: ignore[assignment]

            return hook

        def leaving(name: str) -> Callable[..., None]:
            def hook(_module: torch.nn.Module, _inputs: Any, output: Any) -> None:
                caught[name] = first_tensor(output)  # type: ignore[assignment]

            return hook

        with contextlib.ExitStack() as stack:
            for head in self._head:
                stack.callback(head.register_forward_pre_hook(entering("head"), with_kwargs=True).remove)
            # by path, because an export form may have taken the module's place
            if self.class_maps is not None:
                place = self.module.get_submodule(self.class_maps.path)
                handle = (
                    place.register_forward_pre_hook(entering("cam"), with_kwargs=True)
                    if self.class_maps.enters
                    else place.register_forward_hook(leaving("cam"))
                )
                stack.callback(handle.remove)
            for card in self.cards:
                if card.name.startswith(LAYER):
                    layer = self.module.get_submodule(card.name.removeprefix(LAYER))
                    stack.callback(layer.register_forward_hook(leaving(card.name)).remove)
            yield caught
