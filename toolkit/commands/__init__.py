"""Commands for training, data inspection and the demo, one per file."""
