"""Pictures drawn with Pillow alone: grids with captions."""
