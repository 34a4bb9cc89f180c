"""Looking into an ONNX file: what it holds, what it costs, what is odd about it, and a picture. Needs the onnx package, no torch."""
