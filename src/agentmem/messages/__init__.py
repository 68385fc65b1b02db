"""Strands messages: turns, tool cycles, tokens, truncation and text, without any I/O."""
