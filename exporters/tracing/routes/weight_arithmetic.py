"""Arithmetic on weights alone, computed once: an inverse or a matrix exponential of a weight need not be in the file."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["weights_computed"]


def weights_computed(program: torch.export.ExportedProgram) -> torch.nn.Module | None:
    """The program's network with all that depends on weights alone computed; None where there is no such thing.

    Random operators, and what could change a weight in place, stay in the graph.
    """
    module = program.module(check_guards=False)
    assert isinstance(module, torch.fx.GraphModule)
    for hooks in (module._forward_pre_hooks, module._forward_pre_hooks_with_kwargs):
        hooks.clear()  # they check the lengths, which the next program does by itself
    known: dict[torch.fx.Node, Any] = {}
    with torch.no_grad():
        for node in module.graph.nodes:
            if node.op == "get_attr":
                value = _attribute(module, node.target)
                if isinstance(value, torch.Tensor):
                    known[node] = value
            elif _is_pure(node) and all(source in known for source in node.all_input_nodes):
                arguments = torch.fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
                known[node] = node.target(*arguments[0], **arguments[1])
    computed = [node for node in known if node.op != "get_attr" and isinstance(known[node], torch.Tensor)]
    results = [node for node in computed if any(user not in known for user in node.users)]
    if not results:
        return None
    for number, node in enumerate(results):
        name = f"computed_weight_{number}"
        module.register_buffer(name, known[node].detach().clone())
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(module.graph.get_attr(name))
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def _attribute(module: torch.nn.Module, path: Any) -> Any:
    value: Any = module
    for part in str(path).split("."):
        value = getattr(value, part, None)
    return value


def _is_pure(node: torch.fx.Node) -> bool:
    """Test for a function of torch, or the choice of one of several results, that changes nothing and is not random."""
    if node.op != "call_function":
        return False
    if not isinstance(node.target, torch._ops.OpOverload):
        return getattr(node.target, "__name__", "") == "getitem"
    return (
        node.target.namespace in ("aten", "prims")
        and not node.target._schema.is_mutable
        and torch.Tag.nondeterministic_seeded not in node.target.tags
    )
