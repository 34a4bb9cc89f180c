"""ONNX files on disk: staging, external data, the card as metadata."""
