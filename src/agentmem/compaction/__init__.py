"""Keeps a conversation inside its token budget without losing a word of it."""
