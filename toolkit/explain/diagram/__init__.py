"""The diagram of a network: forward trace, layout, figure."""
