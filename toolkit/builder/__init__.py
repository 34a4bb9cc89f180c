"""Network builder: layers/ (by name), activations.py, initialisation.py, spec.py (plain JSON), network.py."""
