"""Drawings of memory as HTML and SVG text: pure, escaped, and the same in the inspector and in a notebook."""
