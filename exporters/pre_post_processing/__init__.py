"""Pre- and post-processing as operators of the ONNX file itself, on request."""
