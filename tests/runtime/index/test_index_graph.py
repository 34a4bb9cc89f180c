"""The shipped graph is the one its text describes, and does what NumPy does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import runtime.index
from runtime.index import products


def test_the_file_is_the_text() -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnx.parser")
    assert products.__doc__ is not None
    text = "\n".join(line for line in products.__doc__.splitlines() if line.startswith("    "))
    described = onnx.parser.parse_model(text)
    shipped = onnx.load(str(Path(products.__file__).with_name("scan.onnx")))
    onnx.checker.check_model(shipped, full_check=True)
    assert shipped == described
    assert shipped.ir_version == 8
    assert [(one.domain, one.version) for one in shipped.opset_import] == [("", 17)]


def test_agrees_with_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    queries, rows = rng.integers(-9, 9, (5, 4)).astype(np.float32), rng.integers(-9, 9, (30, 4)).astype(np.float32)
    for count in (1, 7, 30):
        scores, positions = products.best_products(queries, rows, count)
        np.testing.assert_array_equal(np.take_along_axis(queries @ rows.T, positions, axis=1), scores)
        with monkeypatch.context() as patch:
            patch.setattr(products, "_session", lambda: None)
            plain, _ = products.best_products(queries, rows, count)
        np.testing.assert_array_equal(np.sort(scores, axis=1), np.sort(plain, axis=1))


def test_works_without_onnxruntime(tmp_path: Path) -> None:
    code = f"""
import sys
for name in ("onnxruntime", "onnx", "torch"):
    sys.modules[name] = None
import numpy, runtime.index
with runtime.index.open({str(tmp_path / "index")!r}, dim=3) as index:
    index.add(["a", "b", "c"], numpy.eye(3))
    assert index.search(numpy.eye(3)[[0, 1, 2] * 5], k=1).ids == [["a"], ["b"], ["c"]] * 5
"""
    root = Path(runtime.index.__file__).parents[2]
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=root, check=True)


def test_importing_is_light() -> None:
    code = "import sys, runtime.index; assert not {'onnxruntime', 'onnx', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(runtime.index.__file__).parents[2], check=True)
