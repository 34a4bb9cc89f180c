"""Torch against the file on disk, on every output, at several shapes."""
