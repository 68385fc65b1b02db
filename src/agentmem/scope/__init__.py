"""Actors, sessions and namespaces: checked ids and the strings made of them."""
