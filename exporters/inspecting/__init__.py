"""Inspection of an ONNX file: graph facts, multiply-adds, warnings, a picture. Needs the onnx package, no torch."""
