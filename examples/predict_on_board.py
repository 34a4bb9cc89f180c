"""On a small board, without torch: name what is in every picture of a folder, and say how long one takes.

Usage: python examples/predict_on_board.py digits.onnx FOLDER
Needs: pip install 'onnx-edge-toolkit[cpu]'
"""

import sys
import time

import runtime

model = runtime.load(sys.argv[1], device="cpu")
started = time.perf_counter()
results = model.predict(sys.argv[2], on_error="keep")
seconds = time.perf_counter() - started
for result in results:
    if isinstance(result, runtime.Failure):
        print(result.error)
    else:
        print(f"{result.source}: {result.label} ({result.probability:.0%})")
print(f"{seconds / max(1, len(results)) * 1000:.2f} ms a picture, {model.device.explain()}")
