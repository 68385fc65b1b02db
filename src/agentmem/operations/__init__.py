"""What operators do with a memory: look over it, find what is wrong with it, export, import and forget."""
