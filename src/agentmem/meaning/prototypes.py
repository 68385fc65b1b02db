"""Holds the prototypes: sample sentences for each kind of sentence, packaged (prototypes.toml) or a user's own."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

_FORMAT = 1
_MARKS = ".。!！?？؟"
_ANY_LANGUAGE = "und"  # ISO 639's code for an undetermined language


class Group(StrEnum):
    """The use of a kind."""

    STANDING = "standing"
    """Asked of the assistant, and holds from now on."""
    KEEP = "keep"
    """Worth keeping in a summary."""
    COUNTERPART = "counterpart"
    """Neither; there so that the others are not mistaken for it."""


@dataclass(frozen=True, slots=True)
class Prototype:
    """A sample sentence of a kind, with the ISO 639-1 code of its language ("und" if nobody said)."""

    kind: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Sample sentences for each kind.

    Attributes:
        groups: The group of each kind, in the order of the kinds.
        samples: The sample sentences.
    """

    groups: Mapping[str, Group]
    samples: tuple[Prototype, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the kinds, in order."""
        return tuple(self.groups)

    @property
    def digest(self) -> str:
        """A name for exactly these kinds and sentences."""
        lines = [f"{kind}\t{group}" for kind, group in self.groups.items()]
        lines += [f"{sample.kind}\t{sample.language}\t{sample.text}" for sample in self.samples]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def of_group(self, group: Group) -> tuple[str, ...]:
        """Name the kinds of a group."""
        return tuple(kind for kind, its_group in self.groups.items() if its_group is group)

    def with_added(self, sentences: Mapping[str, Sequence[str]]) -> Prototypes:
        """Add sentences of one's own.

        Args:
            sentences: For a kind, sentences of it, in any language.

        Returns:
            New prototypes, with the sentences behind those that were there.

        Raises:
            ConfigurationError: A kind is unknown or a sentence is empty; names it.
        """
        for kind, added in sentences.items():
            if kind not in self.groups:
                raise ConfigurationError(
                    f"Prototypes name an unknown kind {kind!r}. Use one of: {', '.join(self.kinds)}."
                )
            if isinstance(added, str):
                raise ConfigurationError(f"Prototypes of kind {kind!r} are one string. Give a list of sentences.")
            _check_sentences(added, f"Prototypes of kind {kind!r}")
        more = [Prototype(kind, _ANY_LANGUAGE, text.strip()) for kind, added in sentences.items() for text in added]
        return replace(self, samples=tuple(dict.fromkeys((*self.samples, *more))))


@lru_cache(maxsize=1)
def packaged_prototypes() -> Prototypes:
    """Read the prototypes that come with the package."""
    return read_prototypes(resources.files(__package__) / "prototypes.toml")


def read_prototypes(file: Path | Traversable) -> Prototypes:
    """Read prototypes from a TOML file of the same form as the packaged one.

    Args:
        file: The file: ``format = 1``, and for each kind a table ``[[kind]]`` with ``name``, ``group`` and, by the
            code of the language, lists of ``sentences``. ``mark_may_miss = true`` takes each sentence without its last
            mark as well.

    Raises:
        ConfigurationError: The file cannot be read or is not of this form; names the file, the place and the remedy.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"The prototypes in {file} cannot be read: {error}. Give a TOML file in UTF-8 of the form that "
            "agentmem/meaning/prototypes.toml has."
        ) from error
    if data.get("format") != _FORMAT:
        raise ConfigurationError(
            f"The prototypes in {file} have format {data.get('format')!r}. This version reads 'format = {_FORMAT}'."
        )
    groups: dict[str, Group] = {}
    samples: list[Prototype] = []
    for table in _tables(data, file):
        name, sentences = table.get("name"), table.get("sentences")
        where = f"Kind {name!r} in {file}"
        if not isinstance(name, str) or not name or name in groups:
            raise ConfigurationError(f"{where} has no name of its own. Give each [[kind]] another name.")
        try:
            groups[name] = Group(str(table.get("group")))
        except ValueError as error:
            known = ", ".join(Group)
            raise ConfigurationError(f"{where} has group {table.get('group')!r}. Use one of: {known}.") from error
        if not isinstance(sentences, dict) or not sentences:
            raise ConfigurationError(f"{where} has no sentences. Add a table [kind.sentences] with lists by language.")
        for language, texts in sentences.items():
            _check_sentences(texts, f"{where}, language {language!r},")
            written = [text.strip() for text in texts]
            if table.get("mark_may_miss"):
                written += [bare for text in written if (bare := text.rstrip(_MARKS).lstrip("¿").strip()) != text]
            samples += [Prototype(name, language, text) for text in dict.fromkeys(written)]
    return Prototypes(groups, tuple(samples))


def _tables(data: dict[str, Any], file: Path | Traversable) -> list[dict[str, Any]]:
    tables = data.get("kind")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigurationError(f"The prototypes in {file} name no kinds. Add tables [[kind]].")
    return tables


def _check_sentences(texts: object, where: str) -> None:
    if isinstance(texts, str) or not hasattr(texts, "__iter__"):
        raise ConfigurationError(f"{where} are not a list. Give a list of sentences.")
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError(f"{where} hold {text!r}. Each must be a sentence.")
