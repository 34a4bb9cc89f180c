"""Limits on what a file may unfold to when it is opened: local functions that call each other, and sparse weights.

A file of a kilobyte can describe a graph of billions of nodes: each of 30 functions calls the one before it twice. onnxruntime
unfolds them all before it says a word. Here the file's outermost fields are skipped through, which takes about a hundredth of the time of
opening it; nodes are read where it has functions, and nothing of it is decoded or copied.
"""

from __future__ import annotations

import math
import mmap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from runtime.errors import ModelFileError
from runtime.session.model_file import opened_content

__all__ = ["check_structure"]

# Unfolded nodes, each times the depth of its calls; more are taken where the file has written many itself, up to the most.
_UNFOLDED, _MOST_UNFOLDED = 200_000, 2_000_000
_TIMES_WRITTEN = 50
# Nodes of a graph: the time that onnxruntime takes to open them grows with their square.
_MOST_WRITTEN = 250_000
# Bytes that sparse weights may take when they are filled up, or this many times the file.
_DENSE_BYTES, _TIMES_FILE = 2**26, 64

_LARGE_NODE = 2**16  # bytes; smaller ones are searched rather than read

# Numbers of the fields in onnx.proto that are looked at.
_MODEL_GRAPH, _MODEL_FUNCTION = 7, 25
_GRAPH_NODE, _GRAPH_SPARSE = 1, 15
_NODE_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN, _NODE_OVERLOAD = 4, 5, 7, 8
_ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (6, 11), (22, 23)
_FUNCTION_NAME, _FUNCTION_NODE, _FUNCTION_DOMAIN, _FUNCTION_OVERLOAD = 1, 7, 10, 13
_SPARSE_DIMS = 3

_Name = tuple[bytes, bytes, bytes]  # domain, name, overload
_Data: TypeAlias = "mmap.mmap | bytes"


@dataclass
class _Content:
    """What lies in a graph or a function.

    Attributes:
        nodes: those that were read, in branches too.
        written: those of the graph.
        calls: what the nodes that were read are called, and how often.
        dense: numbers of sparse weights once they are filled up.
    """

    nodes: int = 0
    written: int = 0
    calls: Counter[_Name] = field(default_factory=Counter)
    dense: int = 0


def check_structure(path: Path, content: bytes | None = None) -> None:
    """Refuse a file that unfolds to far more than it holds. A file that is none is left to whoever opens it.

    Args:
        path: of the file.
        content: what is looked at in place of the file's.

    Raises:
        ModelFileError: its functions unfold to too many nodes or call themselves, or its sparse weights fill the memory.
    """
    try:
        with opened_content(path if content is None else content) as data:
            problem = None if data[4:8] == b"ORTM" else _problem(data)  # the mark of the ORT format
    except (OSError, ValueError, IndexError):  # missing, empty, or damaged: opening it says so
        return
    except RecursionError:
        problem = "its graphs are nested too deep"
    if problem:
        raise ModelFileError(f"{path} was not opened: {problem}. Fetch it from where it was made.")


def _problem(data: _Data) -> str | None:
    parts = [entry for entry in _fields(data, 0, len(data)) if entry[0] in (_MODEL_GRAPH, _MODEL_FUNCTION)]
    functions = [(start, stop) for number, start, stop in parts if number == _MODEL_FUNCTION]
    whole = bool(functions)
    graph = _Content()
    for number, start, stop in parts:
        if number == _MODEL_GRAPH:
            _read_graph(data, start, stop, graph, whole)
    known = dict(_read_function(data, start, stop) for start, stop in functions)
    dense = sum(content.dense for content in (graph, *known.values()))
    if 8 * dense > max(_DENSE_BYTES, _TIMES_FILE * len(data)):
        return f"its sparse weights fill up to {_shown(dense)} numbers, which would take all memory"
    if graph.written > _MOST_WRITTEN:
        return f"it has {graph.written:,} nodes, which would take all time"
    if not known:
        return None
    sizes: dict[_Name, tuple[int, int]] = {}
    nodes, depth = _unfolded(graph, known, sizes, set())
    if depth < 0:
        return "its functions call themselves"
    written = graph.nodes + sum(content.nodes for content in known.values())
    if nodes * depth > _MOST_UNFOLDED or nodes * depth > max(_UNFOLDED, _TIMES_WRITTEN * written):
        return f"its {len(known)} functions unfold from {written:,} nodes to {_shown(nodes)}, which would take all time"
    return None


def _shown(number: int) -> str:
    return f"{number:,}" if number < 10**15 else f"10^{int(math.log10(number))}"


def _unfolded(
    content: _Content, known: dict[_Name, _Content], sizes: dict[_Name, tuple[int, int]], open_ones: set[_Name]
) -> tuple[int, int]:
    """(nodes once all calls are replaced by what they call, depth of the calls); a depth below 0 where a function calls itself."""
    nodes, depth = content.nodes, 1
    for name, count in content.calls.items():
        if name not in known:
            continue
        if name in open_ones:
            return nodes, -1
        if name not in sizes:
            sizes[name] = _unfolded(known[name], known, sizes, {*open_ones, name})
        inside, below = sizes[name]
        if below < 0:
            return nodes, -1
        nodes, depth = nodes + count * inside, max(depth, 1 + below)
    return nodes, depth


def _read_graph(data: _Data, start: int, stop: int, content: _Content, whole: bool) -> None:
    small: list[tuple[int, int]] = []
    for number, at, end in _fields(data, start, stop):
        if number == _GRAPH_NODE:
            content.written += 1
            if whole or end - at > _LARGE_NODE:
                _read_node(data, at, end, content)
            else:
                small.append((at, end))
        elif number == _GRAPH_SPARSE:
            content.dense += _dense_numbers(data, at, end)
    # nodes follow each other, as a rule without weights between them
    if small and (
        small[-1][1] - small[0][0] > 2 * sum(end - at for at, end in small) + _LARGE_NODE or _names_sparse(data, small)
    ):
        for at, end in small:
            _read_node(data, at, end, content)


def _names_sparse(data: _Data, nodes: list[tuple[int, int]]) -> bool:
    return b"sparse_value" in data[nodes[0][0] : nodes[-1][1]]


def _read_function(data: _Data, start: int, stop: int) -> tuple[_Name, _Content]:
    content, texts = _Content(), dict[int, bytes]()
    for number, at, end in _fields(data, start, stop):
        if number == _FUNCTION_NODE:
            _read_node(data, at, end, content)
        elif number in (_FUNCTION_NAME, _FUNCTION_DOMAIN, _FUNCTION_OVERLOAD):
            texts[number] = data[at:end]
    return _name(texts, _FUNCTION_DOMAIN, _FUNCTION_NAME, _FUNCTION_OVERLOAD), content


def _read_node(data: _Data, start: int, stop: int, content: _Content) -> None:
    texts: dict[int, bytes] = {}
    for number, at, end in _fields(data, start, stop):
        if number in (_NODE_TYPE, _NODE_DOMAIN, _NODE_OVERLOAD):
            texts[number] = data[at:end]
        elif number == _NODE_ATTRIBUTE:
            for inner, inner_at, inner_end in _fields(data, at, end):
                if inner in _ATTRIBUTE_GRAPHS:
                    _read_graph(data, inner_at, inner_end, content, whole=True)
                elif inner in _ATTRIBUTE_SPARSE:
                    content.dense += _dense_numbers(data, inner_at, inner_end)
    content.nodes += 1
    content.calls[_name(texts, _NODE_DOMAIN, _NODE_TYPE, _NODE_OVERLOAD)] += 1


def _name(texts: dict[int, bytes], domain: int, name: int, overload: int) -> _Name:
    where = texts.get(domain, b"")
    return b"" if where == b"ai.onnx" else where, texts.get(name, b""), texts.get(overload, b"")


def _dense_numbers(data: _Data, start: int, stop: int) -> int:
    """Numbers in a sparse tensor once it is filled up: the product of its lengths, packed or one by one."""
    lengths = []
    for number, at, end in _fields(data, start, stop):
        if number == _SPARSE_DIMS:
            while at < end:
                length, at = _varint(data, at)
                lengths.append(length)
    return math.prod(lengths) if lengths else 0


def _fields(data: _Data, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Fields of a protobuf message: (number, start, end) of each one's content. Raises ValueError, IndexError where it is damaged."""
    while at < stop:
        key, at = (data[at], at + 1) if data[at] < 128 else _varint(data, at)
        kind = key & 7
        if kind == 2:
            length, at = (data[at], at + 1) if data[at] < 128 else _varint(data, at)
            end = at + length
        elif kind == 0:
            end = _varint(data, at)[1]
        elif kind in (1, 5):
            end = at + (8 if kind == 1 else 4)
        elif kind == 3:
            end = _group_end(data, at, stop)
        else:
            raise ValueError(f"a field of the kind {kind}")
        if end > stop:
            raise ValueError("a field that ends behind its message")
        yield key >> 3, at, end
        at = end


def _group_end(data: _Data, at: int, stop: int) -> int:
    """End of a group, a kind of field that ONNX has none of: readers skip it, and read what follows."""
    depth = 1
    while depth and at < stop:
        key, at = _varint(data, at)
        kind = key & 7
        if kind in (0, 2):
            length, at = _varint(data, at)
            at += length if kind == 2 else 0
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind in (3, 4):
            depth += 1 if kind == 3 else -1
        else:
            raise ValueError(f"a field of the kind {kind}")
    return at


def _varint(data: _Data, at: int) -> tuple[int, int]:
    """(number, position behind it)."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
