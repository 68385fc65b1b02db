"""Waits for new long-term memories: baselines, polls, pauses and progress."""
