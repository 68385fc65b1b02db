"""Does the work of operators on a memory: diagnosis, inventory, export, import and deletion."""
