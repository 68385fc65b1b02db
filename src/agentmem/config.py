"""MemoryConfig: one description of everything, from which every other object is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PrivateAttr, SkipValidation, field_validator, model_validator

from agentmem.clients import boto as clients
from agentmem.errors import ConfigurationError
from agentmem.scope.identity import validate_memory_id
from agentmem.scope.namespaces import DEFAULT_NAMESPACES, Namespace, check_together
from agentmem.settings.base import Settings
from agentmem.settings.sections import (
    CheckpointLocation,
    CompactionConfig,
    DynamoDBCheckpoints,
    EventLogCheckpoints,
    HookConfig,
    InMemoryCheckpoints,
    SqliteCheckpoints,
    WriteConfig,
)
from agentmem.settings.sources import MEMORY_ID_VARIABLE, environment_region, read_environment, read_toml, stacked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bedrock_agentcore.memory import MemoryClient
    from boto3 import Session as BotoSession

    from agentmem.local import LocalMemory
    from agentmem.session import MemorySession
else:
    BotoSession = Any  # boto3 is loaded when a client is made, not when a configuration is

__all__ = [
    "CheckpointLocation",
    "CompactionConfig",
    "DynamoDBCheckpoints",
    "EventLogCheckpoints",
    "HookConfig",
    "InMemoryCheckpoints",
    "MemoryConfig",
    "SqliteCheckpoints",
    "WriteConfig",
]


class MemoryConfig(Settings):
    """Everything about a memory: which one, where, what is kept in it and how it is used.

    A plain `MemoryConfig(...)` takes its arguments and, for the region only, ``AWS_REGION`` or ``AWS_DEFAULT_REGION``.
    `from_env` and `from_toml` read the remaining sources; `local` needs none.
    """

    memory_id: str = Field(
        default="",
        description="Give the id of an AgentCore Memory, such as 'support_bot-a1b2c3d4e5'; ensure_memory() makes one.",
    )
    region: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2,}(-[a-z0-9]+)+$",
        description="Give the AWS region of the memory, such as 'us-west-2'.",
    )
    namespaces: tuple[Namespace, ...] = Field(
        default=DEFAULT_NAMESPACES,
        description="Give the namespaces of long-term memory, each with its own name; () for none.",
    )
    compaction: CompactionConfig = Field(
        default_factory=CompactionConfig, description="Give a CompactionConfig or a table of its fields."
    )
    hook: HookConfig = Field(default_factory=HookConfig, description="Give a HookConfig or a table of its fields.")
    writes: WriteConfig = Field(default_factory=WriteConfig, description="Give a WriteConfig or a table of its fields.")
    checkpoints: CheckpointLocation = Field(
        default_factory=EventLogCheckpoints,
        description="Give EventLogCheckpoints(), DynamoDBCheckpoints(table=...), SqliteCheckpoints(path=...) or "
        "InMemoryCheckpoints(); in a file, a table whose kind is 'event_log', 'dynamodb', 'sqlite' or 'memory'.",
    )
    hierarchical_actor_ids: bool = Field(
        default=False,
        description="Give true to take actor ids with '/' and ':', which lie inside one another's namespaces.",
    )
    local_path: str | None = Field(
        default=None,
        min_length=1,
        description="Give the folder of an embedded memory, or ':memory:'; MemoryConfig.local() sets it.",
    )
    given_session: SkipValidation[BotoSession | None] = Field(
        default=None,
        alias="boto_session",
        exclude=True,
        repr=False,
        description="Give a boto3.Session.",
    )
    _embedded: BotoSession | None = PrivateAttr(default=None)
    _detached: bool = PrivateAttr(default=False)

    @field_validator("memory_id")
    @classmethod
    def _memory_id(cls, memory_id: str) -> str:
        return validate_memory_id(memory_id) if memory_id else memory_id

    @field_validator("given_session")
    @classmethod
    def _usable(cls, session: object) -> object:
        if session is not None and not callable(getattr(session, "client", None)):
            raise ValueError("it makes no clients")
        return session

    @model_validator(mode="after")
    def _settled(self) -> Self:
        check_together(self.namespaces)
        if self.region is None:
            found = getattr(self.given_session, "region_name", None) or environment_region()
            # Frozen from here on; the region is what it was when the configuration was made.
            object.__setattr__(self, "region", found)
        return self

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
        return cls._from_values(stacked(stacked(read_toml(path), read_environment(cls)), arguments))

    @classmethod
    def local(cls, path: str | Path | LocalMemory = "./.agentmem", *, name: str = "agentmem", **fields: Any) -> Self:
        """Open an embedded AgentCore Memory, with a memory of the configured strategies in it.

        The same folder twice in a process is one service; ``:memory:`` is a new one each time and gone with the
        configuration. A memory that is there already gets the strategies it lacks.

        Args:
            path: The folder that holds it, ``:memory:``, or a `LocalMemory` of your own (for its clock or extractor).
            name: The memory's name inside it.
            **fields: The remaining fields, as for `MemoryConfig`.

        Returns:
            The configuration, with the memory's id.

        Raises:
            ConfigurationError: A field is malformed, or the memory there has other templates for strategies of the
                same names.
            MissingExtraError: From a search, when the extra ``agentmem[local]`` is not installed.
        """
        from agentmem.clients.embedded import REGION, SERVICE, open_session
        from agentmem.deploy.provisioning import ensure_memory

        region = fields.pop("region", None) or environment_region() or REGION
        place, session = open_session(path, region)
        opened = cls(local_path=place, region=region, **fields)
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
        from agentmem.session import MemorySession

        return MemorySession(self, actor_id, session_id, variables)

    def strategies(self) -> list[dict[str, Any]]:
        """Describe the strategies of the namespaces, as the control plane's `memoryStrategies`.

        Returns:
            One entry for each namespace, such as
            ``{"semanticMemoryStrategy": {"name": "facts", "namespaceTemplates": ["/users/{actorId}/facts/"]}}``.
        """
        return [namespace.strategy() for namespace in self.namespaces]

    def variables(self) -> tuple[str, ...]:
        """Return the names of the own placeholders that the namespaces declare, at most five, sorted."""
        return tuple(sorted({name for namespace in self.namespaces for name in namespace.variables}))

    def namespace(self, name: str) -> Namespace:
        """Return a namespace by its name.

        Args:
            name: The name it was configured with.

        Returns:
            The namespace.

        Raises:
            ConfigurationError: There is none of that name.
        """
        for namespace in self.namespaces:
            if namespace.name == name:
                return namespace
        known = ", ".join(repr(namespace.name) for namespace in self.namespaces) or "none"
        raise ConfigurationError(f"name = {name!r}: no such namespace. The configuration has: {known}.")

    def boto_session(self) -> BotoSession:
        """Return the boto3 session that everything of this configuration uses.

        Returns:
            The one that was given, the embedded service's, or this process's own.

        Raises:
            ConfigurationError: The configuration came out of a pickle and its session could not come with it.
        """
        if self.given_session is not None:
            return self.given_session
        if self.local_path is not None:
            if self._embedded is None:
                from agentmem.clients.embedded import MEMORY, REGION, open_session

                if self._detached and self.local_path == MEMORY:
                    raise ConfigurationError(
                        "boto_session is missing: the embedded memory was ':memory:' and lives in the process that "
                        "pickled this configuration only. Give MemoryConfig.local() a folder."
                    )
                self._embedded = open_session(self.local_path, self.region or REGION)[1]
            return self._embedded
        if self._detached:
            # Going on with the default session could mean another account.
            raise ConfigurationError(
                "boto_session is missing: a boto3 session cannot be pickled. Give it again: "
                "config.replace(boto_session=...)."
            )
        return clients.default_session()

    def memory_client(self) -> MemoryClient:
        """Return the AgentCore SDK's `MemoryClient`, wired to the same session and region.

        Returns:
            The client; made once for each session and region.

        Raises:
            ConfigurationError: There is no region.
        """
        return clients.memory_client(self.boto_session(), self.region)

    def data_plane(self) -> Any:
        """Return the shared boto3 client of events and records; see `agentmem.clients.boto.data_plane`."""
        return clients.data_plane(self.boto_session(), self.region)

    def control_plane(self) -> Any:
        """Return the shared boto3 client of memory resources; see `agentmem.clients.boto.control_plane`."""
        return clients.control_plane(self.boto_session(), self.region)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, checked like a new one.

        Args:
            **changes: The fields to change, by name.

        Returns:
            The new configuration, with the same boto3 session unless another is given.

        Raises:
            ConfigurationError: A changed value is malformed, unknown or contradicts another.
        """
        changed = super().replace(**changes)
        if changed.local_path == self.local_path:
            changed._embedded = self._embedded  # noqa: SLF001 - of the same class
        changed._detached = self._detached and changed.given_session is None  # noqa: SLF001
        return changed

    def __eq__(self, other: object) -> bool:
        """Compare what was configured, whichever objects were opened for it."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # metadata and configurations are dictionaries

    def __getstate__(self) -> dict[Any, Any]:
        """Leave the boto3 sessions out of a pickle; they hold credentials and sockets."""
        state = super().__getstate__()
        detached = self._detached or self.given_session is not None or self._embedded is not None
        return {
            **state,
            "__dict__": {**state["__dict__"], "given_session": None},
            "__pydantic_fields_set__": state["__pydantic_fields_set__"] - {"given_session"},
            "__pydantic_private__": {"_embedded": None, "_detached": detached},
        }

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return itself: it never changes, and a boto3 session cannot be copied."""
        return self

    @classmethod
    def _from_values(cls, values: dict[str, Any]) -> Self:
        if values.get("local_path") and not values.get("memory_id"):
            return cls.local(values.pop("local_path"), **values)
        return cls(**values)
