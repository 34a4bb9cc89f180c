"""Pretrained weights: download, check and load; replace the head."""
