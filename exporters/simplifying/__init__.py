"""Graph simplification in a child process with limits; a result is kept only where it says the same."""
