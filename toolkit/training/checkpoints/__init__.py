"""Checkpoints: write, read, describe and resume."""
