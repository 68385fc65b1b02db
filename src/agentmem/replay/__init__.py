"""Replays a recorded conversation through a real agent and measures memory and compaction."""
