"""The commands that need no torch, one a file, and what commands share."""
