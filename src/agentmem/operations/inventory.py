"""Lists the actors, sessions, events, records and checkpoints of a memory through the service's own operations."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from agentmem.clients.answers import check_answer
from agentmem.errors import ConfigurationError
from agentmem.scope.templates import PLACEHOLDER, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agentmem.checkpoints.checkpoint import CheckpointKey
    from agentmem.config import MemoryConfig

ROOT = "/"
"""Above every namespace that begins with a slash; whether AWS lists it is not documented."""

_REFUSED = frozenset({"ValidationException", "InvalidInputException"})
_log = logging.getLogger(__name__)


class Inventory:
    """Lists what one memory holds; only reads. Every method raises ``ClientError`` when the service refuses a call.

    Attributes:
        config: The memory, and where its checkpoints are.
        client: The shared boto3 client of events and records.
    """

    def __init__(self, config: MemoryConfig) -> None:
        """Name the memory; nothing is called yet.

        Raises:
            ConfigurationError: There is no memory id.
        """
        if not config.memory_id:
            raise ConfigurationError("memory_id is missing. Give the memory this is about.")
        self.config = config
        self.client = config.data_plane()

    def memory(self) -> dict[str, Any]:
        """Return the memory as the control plane describes it."""
        found: dict[str, Any] = self.config.control_plane().get_memory(memoryId=self.config.memory_id)["memory"]
        return found

    def actors(self) -> Iterator[str]:
        """Yield the actor ids."""
        for actor in self._pages("list_actors", "actorSummaries"):
            yield actor["actorId"]

    def sessions(self, actor_id: str) -> Iterator[dict[str, Any]]:
        """Yield an actor's sessions as the service lists them."""
        return self._pages("list_sessions", "sessionSummaries", actorId=actor_id)

    def events(
        self, actor_id: str, session_id: str, *, branch: str | None = None, payloads: bool = True
    ) -> Iterator[dict[str, Any]]:
        """Yield a session's events as the service lists them, newest first, of every branch or of one."""
        chosen = {} if branch is None else {"filter": {"branch": {"name": branch}}}
        return self._pages(
            "list_events", "events", actorId=actor_id, sessionId=session_id, includePayloads=payloads, **chosen
        )

    def templates(self) -> tuple[list[str], list[str]]:
        """Return the namespace templates that name the actor, strategy ids filled in, and those that do not."""
        found = [
            template
            for namespace in self.config.namespaces
            for template in (namespace.template, namespace.reflection_template)
            if template is not None and "{memoryStrategyId}" not in template
        ]
        for strategy in self.memory().get("strategies", []):
            strategy_id = strategy["strategyId"]
            found += [template.replace("{memoryStrategyId}", strategy_id) for template in _registered(strategy)]
        spelled = sorted({normalise(template.replace("{userId}", "{actorId}")) for template in found})
        return (
            [template for template in spelled if "{actorId}" in template],
            [template for template in spelled if "{actorId}" not in template],
        )

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records of the memory, each once: below the root, and below what is above a namespace template.

        The second is for templates without a slash in front, and for a service that does not list the root.
        """
        owned, shared = self.templates()
        yield from self._records_below({ROOT, *(_above_placeholders(template) for template in (*owned, *shared))})

    def records_of(self, actor_id: str) -> Iterator[dict[str, Any]]:
        """Yield the records in an actor's own namespaces, each once, and nobody else's."""
        templates, _ = self.templates()
        # Actor ids may hold slashes: with 'ann/bob' about, not everything below '/users/ann/' is ann's.
        nested = any(other.startswith(f"{actor_id}/") for other in self.actors())
        patterns = [_pattern(template, actor_id) for template in templates]
        places = [_owned(template, actor_id) for template in templates]
        for record in self._records_below({path for path, _ in places}):
            names = [normalise(name) for name in record["namespaces"]]
            exact = any(pattern.fullmatch(name) for pattern in patterns for name in names)
            below = any(whole and name.startswith(at) for at, whole in places for name in names)
            if exact or (below and not nested):
                yield record

    def checkpoints(self, actor_id: str | None = None) -> list[CheckpointKey]:
        """Return the keys of the checkpoints outside the event log, of one actor or of all.

        Raises:
            CheckpointStoreError: They could not be read.
        """
        keys_of = getattr(self.store(), "keys_of", None)
        found: list[CheckpointKey] = [] if keys_of is None else keys_of(self.config.memory_id, actor_id)
        return found

    def store(self) -> Any:
        """Return the checkpoint store."""
        from agentmem.checkpoints.open import open_store

        config = self.config
        return open_store(
            config.checkpoints, boto_session=config.boto_session(), region=config.region, data_client=self.client
        )

    def _records_below(self, paths: Iterable[str]) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        for path in sorted(paths):
            try:
                for record in self._pages("list_memory_records", "memoryRecordSummaries", namespacePath=path):
                    if record["memoryRecordId"] not in seen:
                        seen.add(record["memoryRecordId"])
                        yield record
            except ClientError as error:
                if path != ROOT or error.response["Error"]["Code"] not in _REFUSED:
                    raise
                _log.warning("error=<%s> | records outside the configured namespaces are not listed", error)

    def _pages(self, operation: str, member: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        for page in self.client.get_paginator(operation).paginate(
            memoryId=self.config.memory_id, maxResults=100, **parameters
        ):
            check_answer(page, operation, member)
            yield from page[member]


def _above_placeholders(template: str) -> str:
    """Return the path above a template's first placeholder."""
    segments = template.strip("/").split("/")
    kept = next((at for at, segment in enumerate(segments) if PLACEHOLDER.search(segment)), len(segments))
    return normalise("/".join(segments[:kept]))


def _registered(described: Mapping[str, Any]) -> list[str]:
    """Return the templates a strategy of a memory files records under, those of its reflections included."""
    found = [str(one) for one in described.get("namespaceTemplates") or described.get("namespaces") or ()]
    for part in described.values():
        if isinstance(part, dict):
            found += _registered(part)
    return found


def _owned(template: str, actor: str) -> tuple[str, bool]:
    """Return the path that holds an actor's records of a template, and whether it holds nobody else's."""
    kept: list[str] = []
    for segment in template.strip("/").split("/"):
        filled = segment.replace("{actorId}", actor)
        if PLACEHOLDER.search(filled):
            return normalise("/".join(kept)), False
        kept.append(filled)
        if "{actorId}" in segment:
            return normalise("/".join(kept)), True
    return normalise("/".join(kept)), False


def _pattern(template: str, actor: str) -> re.Pattern[str]:
    """Return a pattern for the namespaces of one actor; other placeholders stand for one segment or part of one."""
    parts = re.split(r"(\{[^{}]*\})", template)
    return re.compile(
        "".join(
            re.escape(actor) if part == "{actorId}" else "[^/]+" if PLACEHOLDER.fullmatch(part) else re.escape(part)
            for part in parts
        )
    )
