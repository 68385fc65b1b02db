"""Creates the memory resource and writes its access policies."""
