"""Tracing of a network to an ONNX graph: routes through torch's exporters, export forms of untraceable layers."""
