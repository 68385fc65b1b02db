"""Tells calls of tools that do something from those that only look something up, by their names."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

from .classifier import fit_model
from .language import script_of
from .prototypes import read_prototypes

if TYPE_CHECKING:
    from .encoder import Encoder
    from .kernel import KernelModel

SURE = 0.8
"""At this confidence and above a tool is taken for one that does something."""

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")
_models: dict[str, KernelModel] = {}
"""The fits of this process by the encoder's name; two threads that make one at once make the same."""


def does_something(name: str, encoder: Encoder) -> bool:
    """Tell whether a tool surely does something, and does not only look something up.

    The first call for an encoder embeds some two hundred sample names and fits them, a fifth of a second of one core.

    Args:
        name: The tool's name, in any of the usual spellings and in any language that the encoder knows.
        encoder: Embeds it.

    Returns:
        False also when it is not sure.
    """
    words = " ".join(_WORD_STARTS.split(name)).strip().lower()
    if not words or (encoder.scripts is not None and script_of(words) not in encoder.scripts | {""}):
        return False
    if encoder.name not in _models:
        samples = read_prototypes(resources.files(__package__) / "calls.toml")
        _models[encoder.name] = fit_model(encoder, samples, afresh=True)
    _, surely = _models[encoder.name].confidences(encoder.encode([words]))
    return bool(surely[0] >= SURE)
