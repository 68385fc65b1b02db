"""Retrieves long-term memory records and waits for new ones."""
