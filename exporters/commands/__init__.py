"""The commands that make ONNX files and compare them, one a file."""
