"""Similarity of vectors: measures, all pairs or row by row, and top k. Arrays in, arrays out; no model."""

from runtime.similarity.measures import DISTANCES, MEASURES, get_similarity, similarity_matrix, similarity_rows
from runtime.similarity.top_k import top_k

__all__ = ["DISTANCES", "MEASURES", "get_similarity", "similarity_matrix", "similarity_rows", "top_k"]
