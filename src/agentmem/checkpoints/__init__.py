"""Checkpoints and the stores that keep them."""
