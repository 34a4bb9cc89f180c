"""The commands that need no torch, one per file, and helpers shared by commands."""
