"""Explanation and visualisation of networks and training."""
