"""`toolkit demo`: the whole pipeline on the bundled handwritten digits."""
