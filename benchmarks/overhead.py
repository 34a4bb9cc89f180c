"""What one call of `.run` costs above onnxruntime's own."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import runtime


def run(calls: int = 2000, rounds: int = 21) -> dict[str, float]:
    """Seconds a call: of `.run`, of `InferenceSession.run`, and the median difference of the rounds."""
    import onnxruntime
    import torch

    from exporters import export

    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "model.onnx")
        export(torch.nn.Linear(8, 4), path, example=torch.randn(2, 8))
        model = runtime.load(path, "cpu")
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        feeds = {"input": np.zeros((1, 8), np.float32)}
        ours, plain = [], []
        for number in range(rounds):
            pair = [(ours, lambda: model.run(feeds)), (plain, lambda: session.run(None, feeds))]
            for times, call in pair if number % 2 else pair[::-1]:
                started = time.perf_counter()
                for _ in range(calls):
                    call()
                times.append((time.perf_counter() - started) / calls)
        difference = statistics.median(a - b for a, b in zip(ours, plain, strict=True))
        return {"toolkit": statistics.median(ours), "session": statistics.median(plain), "overhead": difference}
