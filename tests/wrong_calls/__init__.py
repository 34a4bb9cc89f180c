"""Wrong calls, by what they are a call of; `tests/test_wrong_calls.py` makes each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

# what is wrong with it, the call with an empty folder for what it writes, and parts of the message that answers it
Call: TypeAlias = tuple[str, Callable[[Path], object], tuple[str, ...]]
