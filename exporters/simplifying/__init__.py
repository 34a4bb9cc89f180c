"""Graph simplification in a child process with limits; a result is kept only where its outputs are the same."""
