"""Artefacts made from a finished ONNX file: Markdown model card, bundle folder, Triton repository, ORT format."""
