"""Constant with attributes of more kinds (12), and Dropout, the identity in inference."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from exporters.targets.adapters.registry import step
from exporters.targets.scope import CannotLower, Scope, constant_tensor


@step(12, "Constant")
def constant(node: onnx.NodeProto, _scope: Scope) -> list[onnx.NodeProto]:
    """Lower Constant: plain numbers as a tensor."""
    tensor = constant_tensor(node)
    if tensor is None:
        raise CannotLower("Constant that holds text or a sparse tensor")
    return [helper.make_node("Constant", [], list(node.output), name=node.name, value=tensor)]


@step(22, "Dropout")
@step(13, "Dropout")
@step(12, "Dropout")
def dropout(node: onnx.NodeProto, scope: Scope) -> list[onnx.NodeProto]:
    """Lower Dropout: the identity in inference."""
    training = len(node.input) > 2 and node.input[2]
    if (training and not _is_false(scope.constant(node.input[2]))) or (len(node.output) > 1 and node.output[1]):
        raise CannotLower("Dropout that is active, or whose mask is used")
    return [helper.make_node("Identity", [node.input[0]], [node.output[0]], name=node.name)]


def _is_false(array: np.ndarray | None) -> bool:
    return array is not None and not array.any()
