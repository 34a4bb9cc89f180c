"""Tasks that a test registers are forgotten after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from toolkit.tasks import registry


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """The registered tasks, empty at first."""
    tasks: dict[str, object] = {}
    monkeypatch.setattr(registry, "_REGISTERED", tasks)
    yield tasks
