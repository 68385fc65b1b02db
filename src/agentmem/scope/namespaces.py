"""Defines namespaces: the paths of a strategy's records, and their settings.

A template such as ``/users/{actorId}/facts/`` is registered with AgentCore Memory, which files the records it extracts
under it, and is resolved here for every search. Both come from this one place, in one spelling: a slash in front, one
between segments, and one at the end. So ``/users/Bob`` can neither miss ``/users/Bob/`` nor match ``/users/Bobby/``.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypedDict, Unpack

from pydantic import Field, field_validator, model_validator

from agentmem.errors import ConfigurationError
from agentmem.scope.identity import validate_actor_id, validate_session_id
from agentmem.scope.templates import (
    PLACEHOLDER,
    RESOLVED_MAX,
    VARIABLES_MAX,
    can_meet,
    check_template,
    check_variable_names,
    check_variables,
    normalise,
)
from agentmem.settings.base import Count, Names, Seconds, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME_PATTERN = r"[a-zA-Z][a-zA-Z0-9_]{0,47}"
"""Control plane shape `Name`: a strategy's name."""

STRATEGY_ID_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9-_]*"
"""Data plane shape `MemoryStrategyId`."""

TOP_K_MAX = 100

Kind = Literal["user_preference", "semantic", "summary", "episodic", "custom"]

_STRATEGY_FIELD: dict[str, str] = {
    "user_preference": "userPreferenceMemoryStrategy",
    "semantic": "semanticMemoryStrategy",
    "summary": "summaryMemoryStrategy",
    "episodic": "episodicMemoryStrategy",
    "custom": "customMemoryStrategy",
}
"""The member of the control plane's `MemoryStrategyInput` for each kind."""


class NamespaceOptions(TypedDict, total=False):
    """The fields of `Namespace` besides its name, template and kind; see there."""

    top_k: int
    relevance_score: float | None
    strategy_id: str | None
    variables: tuple[str, ...]
    shared: bool
    as_registered: bool
    description: str | None
    reflection_template: str | None
    configuration: dict[str, Any] | None


class Namespace(Settings):
    """A strategy, the template its records are filed under, and how they are searched.

    Make one with `user_preference`, `semantic`, `summary`, `episodic` or `custom`.
    """

    name: str = Field(
        pattern=f"^{NAME_PATTERN}$",
        description="Give a letter and up to 47 letters, digits and underscores; it is the strategy's name too.",
    )
    template: str = Field(
        description="Give a template such as '/users/{actorId}/facts/', at most 512 characters of letters, digits, "
        "'-', '_', '/' and placeholders: {actorId}, {sessionId}, {memoryStrategyId} and declared variables.",
    )
    kind: Kind = Field(
        default="semantic",
        description="Give 'user_preference', 'semantic', 'summary', 'episodic' or 'custom'.",
    )
    top_k: Count = Field(
        default=10,
        ge=1,
        le=TOP_K_MAX,
        description="Give the most records a search returns, 1 to 100 (the service's limit).",
    )
    relevance_score: Seconds | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Give the score below which records are left out, 0 to 1, or nothing to compare records by rank.",
    )
    strategy_id: str | None = Field(
        default=None,
        max_length=100,
        pattern=f"^{STRATEGY_ID_PATTERN}$",
        description="Give the id of the memory's strategy, such as 'facts-a1b2c3d4e5', to search its records only.",
    )
    variables: Annotated[Names, Field(max_length=VARIABLES_MAX)] = Field(
        default=(),
        description="Give up to 5 names of own placeholders: 1 to 32 lower-case letters and digits, a letter first.",
    )
    shared: bool = Field(
        default=False,
        description="Give true for a namespace that all actors are meant to share.",
    )
    as_registered: bool = Field(
        default=False,
        description="Give true when the memory already has the template, slashes and all, as it is written here.",
    )
    description: str | None = Field(
        default=None,
        min_length=1,
        max_length=4_096,
        description="Give what the strategy is for, 1 to 4,096 characters.",
    )
    reflection_template: str | None = Field(
        default=None,
        description="Give the template of an episodic strategy's reflections, the same as or above its own.",
    )
    configuration: dict[str, Any] | None = Field(
        default=None,
        description="Give the control plane's configuration of a custom strategy.",
    )

    @classmethod
    def user_preference(cls, name: str, template: str, **options: Unpack[NamespaceOptions]) -> Self:
        """Describe a user preference strategy: choices and tastes, as JSON records.

        Args:
            name: The name to search by, also the strategy's.
            template: Where the records are filed.
            **options: The remaining fields, as `NamespaceOptions` lists them.

        Returns:
            The namespace.

        Raises:
            ConfigurationError: A field is malformed; the message names it, its value and the remedy.
        """
        return cls(name=name, template=template, kind="user_preference", **options)

    @classmethod
    def semantic(cls, name: str, template: str, **options: Unpack[NamespaceOptions]) -> Self:
        """Describe a semantic strategy: facts, as plain sentences.

        Args:
            name: The name to search by, also the strategy's.
            template: Where the records are filed.
            **options: The remaining fields, as `NamespaceOptions` lists them.

        Returns:
            The namespace.

        Raises:
            ConfigurationError: A field is malformed; the message names it, its value and the remedy.
        """
        return cls(name=name, template=template, kind="semantic", **options)

    @classmethod
    def summary(cls, name: str, template: str, **options: Unpack[NamespaceOptions]) -> Self:
        """Describe a summary strategy: running summaries by topic; needs ``{sessionId}`` in its template.

        Args:
            name: The name to search by, also the strategy's.
            template: Where the records are filed.
            **options: The remaining fields, as `NamespaceOptions` lists them.

        Returns:
            The namespace.

        Raises:
            ConfigurationError: A field is malformed; the message names it, its value and the remedy.
        """
        return cls(name=name, template=template, kind="summary", **options)

    @classmethod
    def episodic(cls, name: str, template: str, **options: Unpack[NamespaceOptions]) -> Self:
        """Describe an episodic strategy: what was attempted and how it went; `reflection_template` may lie above it.

        Args:
            name: The name to search by, also the strategy's.
            template: Where the records are filed.
            **options: The remaining fields, as `NamespaceOptions` lists them.

        Returns:
            The namespace.

        Raises:
            ConfigurationError: A field is malformed; the message names it, its value and the remedy.
        """
        return cls(name=name, template=template, kind="episodic", **options)

    @classmethod
    def custom(cls, name: str, template: str, **options: Unpack[NamespaceOptions]) -> Self:
        """Describe a custom strategy: `configuration` is passed to the control plane as it is.

        Args:
            name: The name to search by, also the strategy's.
            template: Where the records are filed.
            **options: The remaining fields, as `NamespaceOptions` lists them.

        Returns:
            The namespace.

        Raises:
            ConfigurationError: A field is malformed; the message names it, its value and the remedy.
        """
        return cls(name=name, template=template, kind="custom", **options)

    @field_validator("template", "reflection_template")
    @classmethod
    def _spell(cls, template: str | None) -> str | None:
        # Seeds and samples of AgentCore write {userId} for {actorId}.
        return None if template is None else template.replace("{userId}", "{actorId}")

    @model_validator(mode="after")
    def _checked(self) -> Self:
        check_variable_names(self.variables)
        self._settle("template", self.template)
        if self.reflection_template is not None:
            if self.kind != "episodic":
                raise ValueError(f"reflection_template belongs to an episodic strategy, not to a {self.kind} one")
            self._settle("reflection_template", self.reflection_template)
            if not self.template.startswith(self.reflection_template):
                raise ValueError(
                    f"reflection_template {self.reflection_template!r} is neither the template {self.template!r} nor "
                    "above it; give it fewer segments of the same beginning"
                )
        if (self.configuration is None) == (self.kind == "custom"):
            raise ValueError("configuration is needed by a custom strategy and belongs to no other")
        return self

    def _settle(self, field: str, given: str) -> None:
        spelled = check_template(field, given, self.variables, shared=self.shared, as_registered=self.as_registered)
        # A frozen model is spelled once, here, and never changes again.
        object.__setattr__(self, field, spelled)

    def resolve(
        self,
        actor_id: str,
        session_id: str,
        variables: Mapping[str, str] | None = None,
        *,
        hierarchical_actor_ids: bool = False,
    ) -> str:
        """Fill in the template: the exact namespace (`namespace` of a search) of one actor and session.

        Args:
            actor_id: The actor of the records.
            session_id: Of which session, where the template asks for it.
            variables: Values of at least the own placeholders of this template.
            hierarchical_actor_ids: Take an actor id with ``/`` or ``:``.

        Returns:
            The namespace: at most 1,024 characters, with a slash at both ends (unless `as_registered`).

        Raises:
            IdentityError: An id that Memory would refuse, or that would leave the actor's own subtree.
            ConfigurationError: A variable's value or the strategy id is missing, or the result is too long.
        """
        validate_actor_id(actor_id, hierarchical=hierarchical_actor_ids)
        validate_session_id(session_id)
        return self._fill(self.template, {"actorId": actor_id, "sessionId": session_id}, variables or {})

    def subtree(
        self,
        actor_id: str,
        variables: Mapping[str, str] | None = None,
        *,
        hierarchical_actor_ids: bool = False,
    ) -> str:
        """Fill in the template down to the session: the `namespacePath` of all of an actor's sessions.

        Args:
            actor_id: The actor of the records.
            variables: Values of at least the own placeholders of this template.
            hierarchical_actor_ids: Take an actor id with ``/`` or ``:``.

        Returns:
            The path with a slash at both ends; the whole namespace when it does not ask for the session.

        Raises:
            IdentityError: An actor id that Memory would refuse, or that would leave the actor's own subtree.
            ConfigurationError: The session stands before the actor in the template, so that no path holds all of the
                actor's records and nobody else's; or a value is missing.
        """
        validate_actor_id(actor_id, hierarchical=hierarchical_actor_ids)
        kept: list[str] = []
        for segment in normalise(self.template).strip("/").split("/"):
            if "{sessionId}" in segment:
                break
            kept.append(segment)
        above = normalise("/".join(kept))
        if above == "/" or not (self.shared or "{actorId}" in above):
            raise ConfigurationError(
                f"Namespace {self.name!r}: its template {self.template!r} has {{sessionId}} before {{actorId}}, so the "
                "sessions of one actor have no place in common. Search one session, or put {actorId} first."
            )
        return self._fill(above, {"actorId": actor_id}, variables or {})

    def strategy(self) -> dict[str, Any]:
        """Describe the strategy for CreateMemory or UpdateMemory.

        Returns:
            One member of the control plane's `memoryStrategies`, such as
            ``{"semanticMemoryStrategy": {"name": "facts", "namespaceTemplates": ["/users/{actorId}/facts/"]}}``.
        """
        described: dict[str, Any] = {"name": self.name, "namespaceTemplates": [self.template]}
        if self.description is not None:
            described["description"] = self.description
        if self.reflection_template is not None:
            described["reflectionConfiguration"] = {"namespaceTemplates": [self.reflection_template]}
        if self.configuration is not None:
            described["configuration"] = self.configuration
        return {_STRATEGY_FIELD[self.kind]: described}

    def _fill(self, template: str, ids: Mapping[str, str], variables: Mapping[str, str]) -> str:
        values = {**check_variables(self.variables, {k: v for k, v in variables.items() if k in self.variables}), **ids}
        if "{memoryStrategyId}" in template:
            if self.strategy_id is None:
                raise ConfigurationError(
                    f"Namespace {self.name!r}: its template {self.template!r} asks for {{memoryStrategyId}}. Give "
                    "strategy_id=, or use the configuration that ensure_memory() returns."
                )
            values["memoryStrategyId"] = self.strategy_id
        filled = PLACEHOLDER.sub(lambda found: values[found[1]], template)
        if len(filled) > RESOLVED_MAX:
            raise ConfigurationError(
                f"Namespace {self.name!r}: resolved it has {len(filled)} characters, and AgentCore takes at most "
                f"{RESOLVED_MAX}. Shorten the template or the actor id."
            )
        return filled


def check_together(namespaces: Sequence[Namespace]) -> None:
    """Hold the namespaces of one memory against each other.

    Args:
        namespaces: All namespaces of a configuration.

    Raises:
        ValueError: Two have one name, they declare more than five variables in all, or one actor's records under one
            template could stand where another actor's stand under another.
    """
    names = [namespace.name for namespace in namespaces]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two namespaces have the name {twice[0]!r}; rename one of them")
    declared = sorted({variable for namespace in namespaces for variable in namespace.variables})
    if len(declared) > VARIABLES_MAX:
        raise ValueError(
            f"the namespaces declare {len(declared)} variables ({', '.join(declared)}), and a memory has at most "
            f"{VARIABLES_MAX}; remove some"
        )
    templates = [
        (namespace, template)
        for namespace in namespaces
        for template in (namespace.template, namespace.reflection_template)
        if template is not None
    ]
    for (one, left), (other, right) in combinations(templates, 2):
        if not (one.shared and other.shared) and can_meet(left, right):
            raise ValueError(
                f"the templates {left!r} ({one.name}) and {right!r} ({other.name}) could name one place for two "
                "actors; begin both with the same segments up to {actorId}, or with different words"
            )


DEFAULT_NAMESPACES = (
    Namespace.user_preference("preferences", "/users/{actorId}/preferences/"),
    Namespace.semantic("facts", "/users/{actorId}/facts/"),
    Namespace.summary("summaries", "/summaries/{actorId}/{sessionId}/"),
)
"""What a configuration has when it is given none: the three built-in strategies, separate for each actor."""
