"""Whole networks, one family a file."""
