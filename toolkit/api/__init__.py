"""The BaseNN-style face: `nn` assembles, loads, trains, uses, looks inside and exports."""
