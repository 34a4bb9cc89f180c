"""What is made of a finished file besides: a model card to read, a folder to hand over, other servers' and runtimes' forms."""
