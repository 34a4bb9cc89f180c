"""Known names of a card: the tasks, and the roles of outputs. `runtime.results.register_decoder` adds those of a new task."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ROLES", "STEP_ROLES", "TASKS", "add_names"]

# Those that a card may name before any decoder is imported.
TASKS = ["classification", "multilabel", "regression", "dense", "embedding", "raw"]
# Of steps behind the network: the K most probable classes, and what non-maximum suppression leaves of boxes.
STEP_ROLES = (
    *("top_indices", "top_probabilities"),
    *("selected", "selected_boxes", "selected_scores", "selected_classes"),
)
ROLES = ["logits", "probabilities", "embedding", "values", "feature_map", "raw", *STEP_ROLES]


def add_names(task: str, roles: Iterable[str] = ()) -> None:
    """Add a task that cards may name, and roles that its outputs may have; known ones stay as they are."""
    TASKS.extend(name for name in [task] if name not in TASKS)
    ROLES.extend(role for role in roles if role not in ROLES)
