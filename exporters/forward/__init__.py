"""How the forward of a network is called: its arguments, its results, one recorded run, evaluation mode."""
