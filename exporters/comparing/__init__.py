"""Comparison of checkpoints, torch modules and ONNX files on the same inputs: output differences, first differing layer."""
