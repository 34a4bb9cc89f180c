"""`toolkit data show`: a sheet of samples and the facts of a data source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.atomic import atomic_write
from runtime.console import written_lines
from runtime.errors import InputError
from toolkit.data.augmentation import Augmentation
from toolkit.data.augmentation.transforms import parse_transform
from toolkit.data.inspection.sheet import augmentation_sheet, data_facts, data_sheet
from toolkit.data.source import open_source

__all__ = ["show_data"]

_TABLES = (".csv", ".tsv", ".txt")


def show_data(
    path: Path,
    picture: Path,
    *,
    augment: Any = None,
    color: Any = "RGB",
    size: tuple[int, int] | None = None,
    rows: int = 6,
    columns: int = 8,
    seed: int = 0,
) -> tuple[dict[str, Any], str]:
    """Draw `picture` and return (facts for JSON, text).

    Raises:
        InputError: the source cannot be opened, holds no pictures, or a transform is unknown.
    """
    resize: list[Any] = [{"Resize": list(size)}] if size else []
    steps = [augment] if isinstance(augment, dict | str) else list(augment or [])
    card, random, mix = parse_transform([*resize, *steps] or None, color)
    data = (
        None
        if path.suffix.lower() in _TABLES
        else open_source(path, card=card, keep_originals=random is not None and random.from_originals).train
    )
    if data is None or data.pictures is None:
        raise InputError(
            f"{path} holds no pictures; a folder with one sub-folder a class is expected. What a training makes of tables and texts "
            f"is told by: toolkit train --model ... --data {path} --dry-run."
        )
    if random is None and mix is None:
        content = data_sheet(data, columns=columns, seed=seed)
    else:
        changes = random or Augmentation(())
        content = augmentation_sheet(data, changes, mix=mix, rows=rows, columns=columns, seed=seed)
    atomic_write(picture, content)
    facts = {**data_facts(data), "source": str(path), "picture": str(picture)}
    counts = ", ".join(f"{name} {count:,}" for name, count in facts["classes"].items())
    return facts, written_lines([f"{path}: {data.describe()}", f"classes: {counts}", f"drew {picture}"])
