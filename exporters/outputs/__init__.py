"""Outputs of a file by role: probabilities, logits, embedding, class activation maps, layers, detections."""
