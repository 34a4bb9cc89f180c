"""Blocks that networks are assembled from, one kind per file."""
