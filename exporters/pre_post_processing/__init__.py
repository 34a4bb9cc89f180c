"""Preparation and steps behind the network as operators of the file itself, on request."""
