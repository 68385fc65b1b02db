"""Reads and changes Strands messages without any I/O: turns, tool cycles, tokens, truncation and text."""
