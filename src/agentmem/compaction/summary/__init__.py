"""Makes the rolling summary: collects word-for-word statements and fits them into a budget."""
