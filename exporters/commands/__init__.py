"""The commands that make ONNX files and compare them, one per file."""
