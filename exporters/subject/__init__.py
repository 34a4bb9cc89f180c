"""The subject of an export: a network with real inputs, dynamic axes and the card of its file."""
