"""From process start to the first prediction: `toolkit predict` against the same script by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from interleaved import Result, interleave
from predict import SIZE, jpegs, network

BY_HAND = """
import sys
import numpy as np
import onnxruntime
from PIL import Image
model, picture = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
image = Image.open(picture).convert("RGB").resize(({width}, {height}), Image.Resampling.BILINEAR)
mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
array = (np.asarray(image, dtype=np.float32) / 255 - mean) / std
probabilities = session.run(["probabilities"], {{"input": array.transpose(2, 0, 1)[None]}})[0]
print(picture, int(probabilities.argmax()), float(probabilities.max()))
"""


def run(rounds: int = 15) -> Result:
    """Seconds of whole processes."""
    with tempfile.TemporaryDirectory() as place:
        folder, model, script = Path(place, "pictures"), Path(place, "model.onnx"), Path(place, "by_hand.py")
        folder.mkdir()
        jpegs(folder, 1)
        network(model)
        script.write_text(BY_HAND.format(height=SIZE[0], width=SIZE[1]))
        picture = next(folder.iterdir())
        toolkit = Path(sys.executable).with_name("toolkit")
        # An installed package is compiled once; where Python may not keep its bytecode, ours would be compiled every time.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(place, "bytecode"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def ours() -> None:
            subprocess.run([toolkit, "predict", model, picture], check=True, capture_output=True, env=environment)

        def by_hand() -> None:
            subprocess.run([sys.executable, script, model, picture], check=True, capture_output=True, env=environment)

        return interleave({"toolkit predict": ours, "script by hand": by_hand}, rounds, warm_up=2)
