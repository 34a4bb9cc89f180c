"""Isolation of third-party tools: a child process with limits on time and memory, silenced output."""
