"""Tools of others kept apart: a child process with limits on time and memory, silenced output."""
