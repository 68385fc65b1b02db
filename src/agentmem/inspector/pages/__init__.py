"""The inspector's pages as HTML: each takes a view and returns the content of its page."""
