"""Finding messages of a session again, by handle or by words."""
