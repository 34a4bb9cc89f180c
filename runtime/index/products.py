"""Matrix products of queries and rows with top-k per query: the arithmetic of a search with many queries.

onnxruntime runs `scan.onnx` beside this file, which is this graph; without onnxruntime NumPy does the same:

    <ir_version: 8, opset_import: ["" : 17]>
    scan (float[q, d] queries, float[n, d] rows, int64[1] k) => (float[q, m] scores, int64[q, m] positions) {
      products = Gemm <transB: int = 1> (queries, rows)
      scores, positions = TopK <axis: int = -1, largest: int = 1, sorted: int = 0> (products, k)
    }
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.processors import usable_cores

__all__ = ["best_products", "largest"]


def best_products(
    queries: npt.NDArray[np.float32], rows: npt.NDArray[np.float32], count: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Largest `count` products of each query, in no order.

    Args:
        queries: (q, d) float32, contiguous.
        rows: (n, d) float32, contiguous.
        count: at most n.

    Returns:
        scores (q, count) float32 and positions (q, count) int64, which are row numbers.
    """
    session = _session()
    if session is None:
        return largest(queries @ rows.T, count)
    feeds = {"queries": queries, "rows": rows, "k": np.array([count], np.int64)}
    scores, positions = session.run(None, feeds)
    return scores, positions


def largest(scores: npt.NDArray[np.float32], count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Largest `count` of each row of (q, n) scores, in no order: (q, count) values and positions."""
    edge = scores.shape[1] - count
    if edge <= 0:
        positions = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        return scores, positions
    positions = np.argpartition(scores, edge, axis=1)[:, edge:]
    return np.take_along_axis(scores, positions, axis=1), positions


@functools.lru_cache(maxsize=1)
def _session() -> Any:
    """An onnxruntime session for `scan.onnx`, or None where onnxruntime is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = usable_cores() or 0
    graph = Path(__file__).with_name("scan.onnx").read_bytes()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
