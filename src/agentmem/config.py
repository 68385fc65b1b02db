"""Defines MemoryConfig: a configuration that makes every other object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from agentmem.errors import ConfigurationError
from agentmem.scope.scope import Configuration
from agentmem.session import MemorySession
from agentmem.settings.sources import MEMORY_ID_VARIABLE, environment_region, read_environment, read_toml, stacked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agentmem.local import LocalMemory

__all__ = ["MemoryConfig"]


class MemoryConfig(Configuration):
    """Everything about a memory: which one, where, what is kept in it and how it is used.

    A plain `MemoryConfig(...)` takes its arguments and, for the region only, ``AWS_REGION`` or ``AWS_DEFAULT_REGION``.
    `from_env` and `from_toml` read the remaining sources; `local` needs none.
    """

    @classmethod
    def from_env(cls, **arguments: Any) -> Self:
        """Read the configuration from the environment.

        ``BEDROCK_AGENTCORE_MEMORY_ID``, ``AWS_REGION`` (or ``AWS_DEFAULT_REGION``), and any field as ``AGENTMEM_...``,
        nested with ``__``: ``AGENTMEM_COMPACTION__TOKEN_THRESHOLD=50000``. Lists and tables are JSON. With
        ``AGENTMEM_LOCAL_PATH`` the memory is embedded, as with `local`.

        Args:
            **arguments: Fields that win over the environment.

        Returns:
            The configuration.

        Raises:
            ConfigurationError: A value is malformed, a variable is a misspelt field, or there is no memory id.
        """
        values = stacked(read_environment(cls), arguments)
        if not values.get("memory_id") and not values.get("local_path"):
            raise ConfigurationError(
                f"memory_id is missing. Set {MEMORY_ID_VARIABLE} to the id of an AgentCore Memory, or "
                "AGENTMEM_LOCAL_PATH to a folder for an embedded one."
            )
        return cls._from_values(values)

    @classmethod
    def from_toml(cls, path: str | Path = "agentmem.toml", **arguments: Any) -> Self:
        """Read the configuration from a TOML file; the environment wins over it.

        Args:
            path: The file: fields by name, sections as tables, namespaces as ``[[namespaces]]``.
            **arguments: Fields that win over both.

        Returns:
            The configuration; `bind` tells when it has no memory id.

        Raises:
            ConfigurationError: The file cannot be read, or a value is malformed or unknown.
        """
        return cls._from_values(stacked(stacked(read_toml(path, cls), read_environment(cls)), arguments))

    @classmethod
    def local(cls, path: str | Path | LocalMemory = "./.agentmem", *, name: str = "agentmem", **fields: Any) -> Self:
        """Open an embedded AgentCore Memory, with a memory of the configured strategies in it.

        The same folder twice in a process is one service; ``:memory:`` is a new one each time and gone with the
        configuration. A memory that is there already gets the strategies it lacks.

        Args:
            path: The folder that holds it, ``:memory:``, or a `LocalMemory` of your own (for its clock or extractor).
            name: The memory's name inside it.
            **fields: The remaining fields, as for `MemoryConfig`. Without `region`, the memory is the one of its name,
                wherever it was made; a new one is made in the region that the environment names, or in us-east-1.

        Returns:
            The configuration, with the memory's id.

        Raises:
            ConfigurationError: A field is malformed, or the memory there has other templates for strategies of the
                same names.
            MissingExtraError: The packages that search the embedded memory's records are not installed.
        """
        from agentmem.clients.embedded import SERVICE, open_session
        from agentmem.deploy.provisioning import ensure_memory

        place, session = open_session(path, fields.pop("region", None), memory=name, default=environment_region())
        opened = cls(local_path=place, region=session.region_name, **fields)
        opened._embedded = session
        if opened.namespaces:
            session.__dict__[SERVICE].warm_up()  # a hook's first retrieval has no second to spare
        return ensure_memory(opened, name=name)

    def bind(self, actor_id: str, session_id: str, variables: Mapping[str, str] | None = None) -> MemorySession:
        """Bind the configuration to one actor and one session.

        Args:
            actor_id: Whose memory; see `actor_id_for` for emails and other names.
            session_id: Which session, 1 to 100 characters; see `new_session_id`.
            variables: The values of the namespaces' own placeholders, all of them.

        Returns:
            The session, from which hooks, session managers and searches are made.

        Raises:
            IdentityError: An id that Memory would refuse, or that would reach into another actor's memory.
            ConfigurationError: There is no memory id, or a variable is missing, unknown or malformed.
        """
        return MemorySession(self, actor_id, session_id, variables)

    @classmethod
    def _from_values(cls, values: dict[str, Any]) -> Self:
        if values.get("local_path") and not values.get("memory_id"):
            return cls.local(values.pop("local_path"), **values)
        return cls(**values)
