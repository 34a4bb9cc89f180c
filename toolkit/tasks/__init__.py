"""Tasks, one file each: how targets are read and checked, which losses and metrics fit, and what answers say."""
