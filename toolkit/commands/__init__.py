"""The commands that train and show data, one a file."""
