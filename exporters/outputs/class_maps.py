"""Class activation maps as an output of the file: the evidence for each class by position in the picture.

B. Zhou et al., "Learning deep features for discriminative localization", 2016. Behind global average pooling and one linear
layer the map of class c is relu(sum_k W[c, k] features[k]) / (h w), which is Grad-CAM's (Selvaraju et al., 2017) there: the
gradient of the class's score by each position of features[k] is W[c, k] / (h w).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from exporters.forward.results import main_result
from runtime.errors import SpecError
from toolkit.explain.hooks import first_tensor

__all__ = ["ClassMaps", "find_class_maps"]


@dataclass(frozen=True)
class ClassMaps:
    """Source of a network's class activation maps: the feature maps and the classifier.

    Attributes:
        path: of the module whose input or output are the features.
        enters: the features are the module's input rather than its output.
        classifier: path of the linear layer; None where there is one map per class already.
    """

    path: str
    enters: bool
    classifier: str | None

    def from_features(self, module: torch.nn.Module, features: torch.Tensor) -> torch.Tensor:
        """Class activation maps from features: (N, C, h, w) -> (N, K, h, w)."""
        if self.classifier is None:
            return features.relu() / (features.shape[2] * features.shape[3])
        weight: Any = module.get_submodule(self.classifier).weight  # (K, C)
        maps = torch.nn.functional.conv2d(features, weight[:, :, None, None])  # (N, K, h, w)
        return maps.relu() / (features.shape[2] * features.shape[3])


def find_class_maps(module: torch.nn.Module, run: Callable[[], Any]) -> ClassMaps:
    """Run a classifier once and find the feature maps in front of its global average pooling.

    Raises:
        SpecError: it does not end in global average pooling and one linear layer.
    """
    features: list[tuple[str, bool, torch.Tensor]] = []
    linears: list[tuple[str, torch.Tensor, torch.Tensor]] = []
    with torch.no_grad(), _recorded(module, features, linears):
        result = main_result(run())
    if not isinstance(result, torch.Tensor) or result.ndim != 2:
        raise SpecError(
            f"Class activation maps (cam) need one score a class, (N, K); {type(module).__name__} returns others."
        )
    if linears:
        path, entered, left = linears[-1]
        ends = any(_near(scores, result) for scores in (left, left.softmax(1), left.sigmoid(), left.log_softmax(1)))
        # the last that matches: what lies before a linear layer's pooling may be the same tensor under several names
        for layer, enters, maps in reversed(features):
            if ends and entered.ndim == 2 and maps.shape[1] == entered.shape[1] and _near(maps.mean((2, 3)), entered):
                return ClassMaps(layer, enters, path)
    for layer, enters, maps in reversed(features):
        if maps.shape[1] == result.shape[1]:
            pooled = maps.mean((2, 3))
            if any(_near(scores, result) for scores in (pooled, pooled.softmax(1))):
                return ClassMaps(layer, enters, None)
    raise SpecError(
        "Class activation maps (cam) need a network whose classes are told by global average pooling and one linear layer behind "
        f"it; {type(module).__name__} ends otherwise. Ask for the maps of a layer with layer:NAME, or draw Grad-CAM from the "
        f"checkpoint, which works for any network."
    )


@contextlib.contextmanager
def _recorded(
    module: torch.nn.Module,
    features: list[tuple[str, bool, torch.Tensor]],
    linears: list[tuple[str, torch.Tensor, torch.Tensor]],
) -> Iterator[None]:
    """Record the inputs and outputs of each module, of maps and linear layers."""

    def listener(path: str) -> Callable[..., None]:
        def listen(child: torch.nn.Module, inputs: Any, output: Any) -> None:
            entered, left = first_tensor(inputs), first_tensor(output)
            for enters, tensor in ((True, entered), (False, left)):
                if tensor is not None and tensor.ndim == 4 and tensor.shape[2] * tensor.shape[3] > 1:
                    features.append((path, enters, tensor))
            if isinstance(child, torch.nn.Linear) and entered is not None and left is not None:
                linears.append((path, entered, left))

        return listen

    with contextlib.ExitStack() as stack:
        for path, child in module.named_modules():
            if not isinstance(child, torch.jit.ScriptModule):
                stack.callback(child.register_forward_hook(listener(path)).remove)
        yield


def _near(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.shape == second.shape and torch.allclose(first, second, rtol=1e-4, atol=1e-5)
