"""Adapters for operators whose definition changed between two operator sets, each lowering to the older definition.

Every step takes a node as one version defines it and returns nodes that the version before defines, so several versions are
gone down one by one. An operator that changed only in the types it takes, or by an attribute that is not used, needs no step.
The definitions are those of onnx/docs/Changelog.md.
"""

from exporters.targets.adapters import (  # noqa: F401  (each registers its steps)
    activations,
    axes,
    before_11,
    constants,
    normalisation,
    resizing,
    shapes,
)
from exporters.targets.adapters.registry import Step, find_step

__all__ = ["Step", "find_step"]
