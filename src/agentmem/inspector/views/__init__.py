"""Values for the inspector's pages, read from a memory; nothing here knows HTML or HTTP."""
