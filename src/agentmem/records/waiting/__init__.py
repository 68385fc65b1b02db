"""Waits for long-term memories: what is new, when to look again, how to pause, and how to show that it goes on."""
