"""Defines checkpoints and the stores that keep them."""
