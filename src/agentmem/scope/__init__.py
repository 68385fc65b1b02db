"""Checks the ids of actors and sessions, and makes addresses and namespaces from them."""
