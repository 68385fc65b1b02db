"""Creating the memory resource and granting access to it."""
