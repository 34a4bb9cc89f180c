"""Runs within an old release: every file of a folder, with onnxruntime and numpy alone. Python 3.6 and later."""

import glob
import json
import os
import sys

import numpy as np
import onnxruntime


def opens(path):
    try:
        run(path, np.ones((2, 2), np.float32))
    except Exception:  # whatever that release raises
        return False
    return True


def run(path, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def compared(path, known):
    try:
        found = run(path, known["x"])
    except Exception as error:  # whatever that release raises
        return {"error": " ".join(str(error).split())[:300]}
    scale = float(np.abs(known["y"]).max())
    # eight bits are compared by their own arithmetic elsewhere; here they must only be of the right size
    allowed = (0.5 if "int8" in path else 1e-4) * max(1.0, scale)
    return {"worst": float(np.abs(found - known["y"]).max()), "allowed": allowed}


def newest(folder, kind):
    paths = glob.glob(os.path.join(folder, kind + "-*.onnx"))
    versions = sorted(int(path.rsplit("-", 1)[1][: -len(".onnx")]) for path in paths)
    return max(version for version in versions if opens(os.path.join(folder, "%s-%d.onnx" % (kind, version))))  # noqa: UP031


def main():
    folder, release = sys.argv[1:3]
    result = {"version": onnxruntime.__version__, "files": {}}
    for path in sorted(glob.glob(os.path.join(folder, release, "*.onnx"))):
        name = os.path.basename(path)[: -len(".onnx")]
        result["files"][name] = compared(path, np.load(os.path.join(folder, name + ".npz")))
    if len(sys.argv) > 3:
        result["opset"], result["ir"] = (newest(sys.argv[3], kind) for kind in ("opset", "ir"))
    print(json.dumps(result))


main()
