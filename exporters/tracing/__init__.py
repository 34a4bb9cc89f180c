"""Network -> ONNX graph: routes through exporters of torch, forms in place of layers that these cannot trace."""
