"""The BaseNN-style API: `nn` assembles, loads, trains, runs, explains and exports a network."""
