"""Networks by name: layers.py (what there is), spec.py (plain JSON), nn.py (the face)."""
