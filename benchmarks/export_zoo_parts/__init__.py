"""Parts of `export_zoo.py`: the networks, their weights, the table."""
