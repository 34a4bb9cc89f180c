"""The outputs of a file by their roles: probabilities, logits, embedding, class activation maps, layers, detections."""
