"""Commands of the training floor, one a file."""
