"""Checkpoints: written, read, described, resumed from."""
