"""Long-term memory records: retrieving them, and waiting for new ones."""
