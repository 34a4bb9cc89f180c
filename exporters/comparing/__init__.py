"""Any two of checkpoint, torch module and ONNX file, run on the same inputs: how far they are apart, and where they part."""
