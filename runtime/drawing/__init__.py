"""Pictures drawn with Pillow alone: grids, captions, and colours of classes over a picture."""
