"""Blocks that networks are assembled from, one kind a file."""
