"""The training loop: preparation, epoch, step, evaluation, stopping."""
