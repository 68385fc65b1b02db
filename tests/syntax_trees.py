"""The syntax tree of a source file, read also where CPython 3.11 stumbles."""

from __future__ import annotations

import ast


def tree_of(text):
    """Parse a source text.

    CPython counts the depth of trees in one place (python/cpython#106905). Garbage that is collected meanwhile may log
    a traceback, which parses source lines too, and then the outer parse fails with a SystemError.
    """
    for _ in range(5):
        try:
            return ast.parse(text)
        except SystemError as error:
            stumbled = error
    raise stumbled
