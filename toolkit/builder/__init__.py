"""Networks by name: layers/ (what there is), activations.py, initialisation.py, spec.py (plain JSON), network.py (what is built)."""
