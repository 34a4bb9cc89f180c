"""A sheet of samples, drawn as the training will see them."""
