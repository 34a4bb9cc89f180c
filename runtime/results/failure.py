"""Failure: an input that could not be read or answered, in the place of its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runtime.errors import ToolkitError

__all__ = ["Failure"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be read, or to which the network gave no answer, and why."""

    source: str | None
    error: ToolkitError

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {"source": self.source, "error": str(self.error)}
