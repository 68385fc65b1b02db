"""The syntax tree of a source file, read also where CPython 3.11 stumbles."""

from __future__ import annotations

import ast


def tree_of(text):
    """Parse a source text.

    CPython counts the depth of trees in one place for all threads until 3.11.7 (python/cpython#106905). A thread of an
    earlier test that logs a traceback parses source lines too, and then either parse may fail with a SystemError.
    """
    for _ in range(5):
        try:
            return ast.parse(text)
        except SystemError as error:
            stumbled = error
    raise stumbled
