"""Class activation maps: evidence for a class, from the feature maps of the last layer with height and width.

gradcam     R. R. Selvaraju et al., "Grad-CAM: Visual explanations from deep networks via gradient-based localization", 2017
gradcam++   A. Chattopadhay et al., "Grad-CAM++: Generalized gradient-based visual explanations", 2018
cam         B. Zhou et al., "Learning deep features for discriminative localization", 2016
scorecam    H. Wang et al., "Score-CAM: Score-weighted visual explanations for convolutional neural networks", 2020
eigencam    M. B. Muhammad and M. Yeasin, "Eigen-CAM: Class activation map using principal components", 2020
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from runtime.errors import InputError, SpecError, suggest
from toolkit.explain.class_scores import class_scores, class_with_score, probabilities
from toolkit.explain.evaluation import as_input, evaluation, run
from toolkit.explain.hooks import find_layers, record, record_calls

__all__ = ["CAM_METHODS", "ClassActivation", "class_activation_map"]


@dataclass(frozen=True)
class ClassActivation:
    """Class activation map of one class.

    Attributes:
        map: float32 (H, W) in 0..1, of the size of the input; 1 is the strongest evidence, all 0 where there is none.
        target: index of the class.
        probability: of that class, or None for a network with a single output.
        layer: path of the layer whose feature maps were weighted.
        method: one of `CAM_METHODS`.
    """

    map: np.ndarray
    target: int
    probability: float | None
    layer: str
    method: str


@dataclass(frozen=True)
class _Case:
    """Arguments of a method: the input (1, C, H, W), the maps (1, K, h, w) and the scores (1, classes) with their graph."""

    network: torch.nn.Module
    input: torch.Tensor
    activations: torch.Tensor
    scores: torch.Tensor
    target: int

    def gradients(self) -> torch.Tensor:
        """Gradients of the target's score by the activations, (1, K, h, w)."""
        (gradient,) = torch.autograd.grad(self.scores[0, self.target], self.activations, allow_unused=True)
        if gradient is None:
            raise SpecError(
                "The class's score does not depend on the maps of that layer. Name a layer between the input and the output."
            )
        return gradient


def class_activation_map(
    network: torch.nn.Module,
    inputs: torch.Tensor | np.ndarray,
    *,
    target: int | None = None,
    layer: str | None = None,
    method: str = "gradcam",
) -> ClassActivation:
    """Class activation map of one picture.

    The class's score is taken before a final softmax or sigmoid. Modes, gradients and the random state stay as they are.

    Args:
        network: gives one row of class scores for a picture.
        inputs: float (1, C, H, W), as the network takes it.
        target: index of the class; None takes the predicted one.
        layer: path of a layer that gives maps (1, K, h, w); None takes the last one with more than one position.
        method: "gradcam", "gradcam++", "cam" (networks of global average pooling and one linear layer), "scorecam"
            (without gradients; one run for each channel) or "eigencam" (first principal component, class-independent).

    Raises:
        InputError: `inputs` is not one picture, or the network cannot take it.
        SpecError: the method or layer is unknown or does not fit; the network has no layer with height and width.
    """
    known = str(method).lower().replace("-", "").replace("_", "")
    if known not in CAM_METHODS:
        raise SpecError(f"There is no method {method!r}.{suggest(str(method), CAM_METHODS)}")
    tensor = as_input(network, inputs)
    if tensor.shape[0] != 1 or not tensor.is_floating_point():
        raise InputError(
            f"{tensor.dtype} {tuple(tensor.shape)} was given; one picture, float (1, C, H, W), is expected."
        )
    if tensor.ndim != 4:
        raise SpecError(
            f"The network's input {tuple(tensor.shape)} has no height and width, so no map can be laid over it. Maps need a "
            f"network for pictures, (1, C, H, W)."
        )
    with evaluation(network), torch.inference_mode(False), torch.enable_grad():
        tensor = tensor.clone()
        name = _spatial_layer(network, tensor, layer)
        with record(network, name, gradients=True) as outputs:
            scores, independent = class_scores(network, tensor)
        chosen = class_with_score(scores, target)
        found = CAM_METHODS[known](_Case(network, tensor, outputs[name], scores, chosen)).detach()
    shares = probabilities(scores.detach(), independent)
    probability = None if shares is None else float(shares[0, chosen])
    return ClassActivation(_scaled(found, tensor), chosen, probability, name, known)


def _gradcam(case: _Case) -> torch.Tensor:
    weights = case.gradients().mean((2, 3), keepdim=True)  # (1, K, 1, 1)
    return (weights * case.activations).sum(1, keepdim=True)


def _gradcam_plus_plus(case: _Case) -> torch.Tensor:
    gradients = case.gradients()
    square, cube = gradients**2, gradients**3
    share = 2 * square + (case.activations * cube).sum((2, 3), keepdim=True)
    alpha = torch.where(share == 0, 0.0, square / torch.where(share == 0, 1.0, share))  # (1, K, h, w)
    weights = (alpha * gradients.relu()).sum((2, 3), keepdim=True)
    return (weights * case.activations).sum(1, keepdim=True)


def _cam(case: _Case) -> torch.Tensor:
    with torch.no_grad(), record_calls(case.network, torch.nn.Linear) as calls:
        case.network(case.input)
    pooled = case.activations.mean((2, 3))
    classifier = calls[-1] if calls else None
    if (
        classifier is None
        or classifier.input.shape != pooled.shape
        or not torch.allclose(classifier.input, pooled, rtol=1e-4, atol=1e-5)
        or not torch.allclose(classifier.output, case.scores, rtol=1e-4, atol=1e-5)
    ):
        raise SpecError(
            "The method 'cam' needs a network that ends in this layer's maps, global average pooling and one linear layer; "
            "this one does not. Use method='gradcam', which gives the same map there and works anywhere."
        )
    linear: Any = case.network.get_submodule(classifier.name)
    weights: torch.Tensor = linear.weight[case.target]  # (K,)
    return (weights[None, :, None, None] * case.activations).sum(1, keepdim=True)


def _scorecam(case: _Case, at_a_time: int = 32) -> torch.Tensor:
    with torch.no_grad():
        masks = _resized(case.activations, case.input.shape[2:])  # (1, K, H, W)
        low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
        masks = ((masks - low) / (high - low).clamp_min(1e-12)).transpose(0, 1)  # (K, 1, H, W)
        scores = [class_scores(case.network, case.input * part)[0] for part in torch.split(masks, at_a_time)]
        # the paper subtracts the score of an empty picture from each: softmax takes no notice of it
        weights = torch.cat(scores)[:, case.target].softmax(0)
        return (weights[None, :, None, None] * case.activations).sum(1, keepdim=True)


def _eigencam(case: _Case) -> torch.Tensor:
    with torch.no_grad():
        flat = case.activations[0].flatten(1).T.double()  # (h w, K)
        _, _, directions = torch.linalg.svd(flat, full_matrices=False)
        projection: torch.Tensor = flat @ directions[0]
        projection = projection if projection.sum() >= 0 else -projection  # the sign of a direction is arbitrary
        return projection.reshape(1, 1, *case.activations.shape[2:]).to(case.activations.dtype)


CAM_METHODS: dict[str, Callable[[_Case], torch.Tensor]] = {
    "gradcam": _gradcam,
    "gradcam++": _gradcam_plus_plus,
    "cam": _cam,
    "scorecam": _scorecam,
    "eigencam": _eigencam,
}


def _spatial_layer(network: torch.nn.Module, tensor: torch.Tensor, layer: str | None) -> str:
    """Path of the layer whose feature maps are weighted: the named one, or the last with more than one position."""
    wanted = "*" if layer is None else find_layers(network, layer)
    with torch.no_grad(), record(network, wanted) as outputs:
        run(network, tensor)
    maps = [name for name, output in outputs.items() if output.ndim == 4 and output.is_floating_point()]
    if layer is None:
        parents = {name.rpartition(".")[0] for name in outputs}
        inner = [name for name in maps if outputs[name][0, 0].numel() > 1 and name not in parents]
        if not inner:
            raise SpecError(
                "No layer of the network gives maps with height and width, so nothing tells where in the picture the "
                "evidence lies. Maps need convolutions before the picture is flattened."
            )
        return inner[-1]
    if len(maps) != 1:
        gives = ", ".join(f"{name} {tuple(output.shape)}" for name, output in outputs.items()) or "nothing"
        raise SpecError(
            f"layer={layer!r} gives {gives}; one layer that gives maps (1, channels, height, width) is expected."
        )
    return maps[0]


def _resized(maps: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return torch.nn.functional.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


def _scaled(found: torch.Tensor, tensor: torch.Tensor) -> np.ndarray:
    """Positive part of a map, scaled to 0..1, resized to the input."""
    evidence = _resized(found.relu().float().nan_to_num(), tensor.shape[2:])[0, 0]
    return (evidence / evidence.max().clamp_min(torch.finfo(torch.float32).tiny)).clamp(0, 1).cpu().numpy()
