"""Readers of labelled data, one kind of source per file: each returns a `Dataset`."""
