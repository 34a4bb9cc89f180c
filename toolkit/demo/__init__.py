"""`toolkit demo`: the whole road on the handwritten digits that ship with the package."""
