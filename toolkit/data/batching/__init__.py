"""Batches of a data set: their order, their transforms, the workers that prepare them."""
