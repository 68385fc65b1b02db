"""Replaying a recorded conversation through a real agent, to see what memory and compaction do with it."""
