"""Verification of the file on disk against torch, on every output, at several shapes."""
