"""Tells calls of tools that do something from those that only look something up, by their names."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from .classifier import SentenceClassifier
from .prototypes import read_prototypes

if TYPE_CHECKING:
    from .encoder import Encoder

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")


def does_something(name: str, encoder: Encoder) -> bool:
    """Tell whether a tool surely does something, and does not only look something up.

    The first call for an encoder embeds some two hundred sample names and fits them, a tenth of a second of one core.

    Args:
        name: The tool's name, in any of the usual spellings and in any language that the encoder knows.
        encoder: Embeds it.

    Returns:
        False also when it is not sure.
    """
    return _classifier(encoder).judge([" ".join(_WORD_STARTS.split(name)).lower()])[0].is_standing


@lru_cache(maxsize=4)
def _classifier(encoder: Encoder) -> SentenceClassifier:
    return SentenceClassifier(encoder, read_prototypes(resources.files(__package__) / "calls.toml"))
