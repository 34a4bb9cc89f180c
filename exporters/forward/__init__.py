"""Calling a network's forward: arguments, results, a recorded run, evaluation mode."""
