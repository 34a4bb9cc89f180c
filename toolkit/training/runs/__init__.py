"""A run and its folder: configuration, history, record, TensorBoard."""
