"""Whole networks, one family per file."""
