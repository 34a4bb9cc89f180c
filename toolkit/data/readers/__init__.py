"""Readers of labelled data, one kind of source a file: each returns a `Dataset`."""
