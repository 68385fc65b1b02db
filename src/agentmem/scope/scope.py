"""Describes a memory (`Configuration`) and one actor's session in it (`SessionScope`), as checked values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PrivateAttr, SkipValidation, field_validator, model_validator

from agentmem.clients import boto
from agentmem.errors import ConfigurationError
from agentmem.scope.identity import validate_actor_id, validate_memory_id, validate_session_id
from agentmem.scope.namespaces import DEFAULT_NAMESPACES, Namespace, check_together
from agentmem.scope.templates import check_variables
from agentmem.settings.base import Settings
from agentmem.settings.sections import (
    CheckpointLocation,
    CompactionConfig,
    EventLogCheckpoints,
    HookConfig,
    WriteConfig,
)
from agentmem.settings.sources import environment_region

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_agentcore.memory import MemoryClient
    from boto3 import Session as BotoSession
else:
    BotoSession = Any  # boto3 is loaded when a client is made, not when a configuration is


class Configuration(Settings):
    """A memory as a value: its id and place, its namespaces, and the settings of everything that uses it.

    `MemoryConfig` is this with ways to read it from somewhere and to make sessions of it.
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

    def bind(self, actor_id: str, session_id: str, variables: Mapping[str, str] | None = None) -> SessionScope:
        """Bind the configuration to one actor and one session.

        Args:
            actor_id: The actor; see `actor_id_for` for emails and other names.
            session_id: The session, 1 to 100 characters; see `new_session_id`.
            variables: The values of the namespaces' own placeholders, all of them.

        Returns:
            The checked scope.

        Raises:
            IdentityError: An id that Memory would refuse, or that would reach into another actor's memory.
            ConfigurationError: There is no memory id, or a variable is missing, unknown or malformed.
        """
        return SessionScope(self, actor_id, session_id, variables)

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
        return boto.default_session()

    def memory_client(self) -> MemoryClient:
        """Return the AgentCore SDK's `MemoryClient`, wired to the same session and region.

        Returns:
            The client; made once for each session and region.

        Raises:
            ConfigurationError: There is no region.
        """
        return boto.memory_client(self.boto_session(), self.region)

    def data_plane(self) -> Any:
        """Return the shared boto3 client of events and records; see `agentmem.clients.boto.data_plane`."""
        return boto.data_plane(self.boto_session(), self.region)

    def control_plane(self) -> Any:
        """Return the shared boto3 client of memory resources; see `agentmem.clients.boto.control_plane`."""
        return boto.control_plane(self.boto_session(), self.region)

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


@dataclass(frozen=True)
class SessionScope:
    """One actor's session in one memory, as a checked value. Making it costs no call.

    `MemorySession` is this with ways to make hooks and session managers of it.

    Attributes:
        config: The configuration it was bound from.
        actor_id: The actor.
        session_id: The session.
        variables: The values of the namespaces' own placeholders.
        bound_at: When it was bound, UTC.

    Raises:
        IdentityError: An id that Memory would refuse, or that would reach into another actor's memory.
        ConfigurationError: There is no memory id; a variable is missing, unknown or malformed; or a namespace would
            be too long.
    """

    config: Configuration = field(repr=False)
    actor_id: str
    session_id: str
    variables: Mapping[str, str] | None = None
    bound_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False, repr=False)
    _resolved: dict[str, str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check everything once, so that no later call can fail for the identity's sake."""
        config = self.config
        if not config.memory_id:
            raise ConfigurationError(
                "memory_id is missing. Give MemoryConfig(memory_id=...), set BEDROCK_AGENTCORE_MEMORY_ID and use "
                "MemoryConfig.from_env(), make a memory with ensure_memory(), or use MemoryConfig.local()."
            )
        validate_actor_id(self.actor_id, hierarchical=config.hierarchical_actor_ids)
        validate_session_id(self.session_id)
        object.__setattr__(self, "variables", check_variables(config.variables(), self.variables or {}))
        resolved = {
            namespace.name: namespace.resolve(
                self.actor_id,
                self.session_id,
                self.variables,
                hierarchical_actor_ids=config.hierarchical_actor_ids,
            )
            for namespace in config.namespaces
        }
        object.__setattr__(self, "_resolved", resolved)

    @property
    def memory_id(self) -> str:
        """The memory's id."""
        return self.config.memory_id

    @property
    def client(self) -> Any:
        """The shared boto3 client of events and records."""
        return self.config.data_plane()

    def namespace(self, name: str) -> str:
        """Return the namespace of this actor and session.

        Args:
            name: The name it was configured with.

        Returns:
            The namespace, such as ``/users/user123/facts/``.

        Raises:
            ConfigurationError: There is none of that name.
        """
        if name not in self._resolved:
            self.config.namespace(name)
        return self._resolved[name]

    def subtree(self, name: str) -> str:
        """Return the path above all of this actor's sessions in a namespace; see `Namespace.subtree`.

        Args:
            name: The name it was configured with.

        Returns:
            The path, such as ``/summaries/user123/``.

        Raises:
            ConfigurationError: There is none of that name, or its sessions have no place in common.
        """
        return self.config.namespace(name).subtree(
            self.actor_id, self.variables, hierarchical_actor_ids=self.config.hierarchical_actor_ids
        )

    def event_options(self) -> dict[str, Any]:
        """Return what CreateEvent needs beyond the ids so that records land in this session's namespaces.

        Returns:
            ``{"extractionConfig": {"namespaceVariables": {...}}}``, or nothing when there are no own placeholders.
        """
        return {"extractionConfig": {"namespaceVariables": dict(self.variables)}} if self.variables else {}
