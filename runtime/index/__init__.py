"""The vector index: vectors under text ids, searched by similarity. `open` is the way in.

with runtime.index.open("photos.index", dim=512, metric="cosine", space=digest) as index:
    index.add(ids, vectors, metadata)
    ids, scores = index.search(query, k=10, where={"folder": ["7", "9"], "year": {">=": 2000}})
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from runtime.errors import VectorIndexError
from runtime.index.embedded import EmbeddedIndex
from runtime.index.interface import DTYPES, METRICS, SearchResult, VectorIndex, VectorIndexWarning

__all__ = ["DTYPES", "METRICS", "SearchResult", "VectorIndex", "VectorIndexWarning", "open"]


def open(
    uri: str | os.PathLike[str],
    *,
    dim: int | None = None,
    metric: str | None = None,
    space: str | None = None,
    dtype: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    create: bool | None = None,
) -> VectorIndex:
    """Open the index at `uri`, or make it when it is not there and `dim` is given.

    Arguments left out take the values of an existing index; given ones must agree with them.

    Args:
        uri: a folder, as a path or as ``file:///path``.
        dim: elements in a vector; needed to make an index.
        metric: one of `METRICS`; a new index takes ``"cosine"``.
        space: digest of the vectors' source: the model, its pre-processing and normalisation.
        dtype: storage dtype of the vectors, one of `DTYPES`; a new index takes ``"float32"``.
        attributes: a small JSON object kept with a new index; an index that exists keeps the one it was made with.
        create: None makes a missing index if `dim` is given; False never does; True requires `dim`.

    Raises:
        VectorIndexError: there is no index and none is to be made; it disagrees with what was given; it is damaged, or
            something else; the arguments cannot describe an index.
    """
    return EmbeddedIndex(
        _folder(uri), dim=dim, metric=metric, space=space, dtype=dtype, attributes=attributes, create=create
    )


def _folder(uri: str | os.PathLike[str]) -> str:
    """Folder that `uri` names."""
    text = os.fspath(uri) if isinstance(uri, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise VectorIndexError(f"{uri!r} does not name an index. Give the path of a folder, such as 'photos.index'.")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", text)
    if not scheme:
        return text
    if scheme[1].lower() != "file":
        raise VectorIndexError(
            f"{text!r} asks for an index of the kind {scheme[1]!r}; only folders are known here. "
            "Give the path of a folder, or file:///path."
        )
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise VectorIndexError(
            f"{text!r} does not name a folder on this machine. Write file:///path, with three slashes."
        )
    path = unquote(parts.path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path  # file:///C:/folder
