"""Defines the sections of a configuration: compaction, hook, writes, and checkpoint stores.

In a file they are the tables ``[compaction]``, ``[hook]``, ``[writes]`` and ``[checkpoints]``. Each is frozen, and
checked when it is made; a field's description is also the remedy its error names.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from agentmem.settings.base import Count, Names, Seconds, Settings, no_bool, one_or_many

METADATA_PATTERN = r"^[a-zA-Z0-9\s._:/=+@-]*$"
"""What the service takes in an event's metadata keys and values (botocore `MetadataKey`, `MetadataValue`)."""

_RESERVED_METADATA = frozenset(
    {"agentId", "stateType", "agentmemAgent", "agentmemMain", "agentmemCall", "agentmemRun", "agentmemKind"}
)
"""Keys that say whose an event is: the AgentCore SDK's session manager's own, and those of `events.agents`."""


def _path(value: object) -> Path:
    if not isinstance(value, str | PathLike):
        raise ValueError("it is not the path of a file")
    return Path(value)


FilePath = Annotated[Path | str, BeforeValidator(_path)]
"""Text is taken for a path and becomes one."""


def _threshold(value: object) -> object:
    if value == "auto":
        return value
    try:
        number = int(no_bool(value))  # type: ignore[call-overload]  # what int() refuses is refused below
    except (OverflowError, TypeError, ValueError):
        raise ValueError("it is neither a whole number nor 'auto'") from None
    if number != float(value) or number < 1_000:  # type: ignore[arg-type]
        raise ValueError("it is not a whole number of 1,000 or more")
    return number


def _summarizer(value: object) -> object:
    if isinstance(value, str):
        if value not in {"extractive", "model"}:
            raise ValueError("there is no such summarizer")
    elif not callable(getattr(value, "summarize", None)) and not callable(getattr(value, "stream", None)):
        raise ValueError("it has neither a `summarize` nor a `stream` method")
    return value


def _encoder(value: object) -> object:
    if value is None or value == "packaged" or callable(getattr(value, "encode", None)):
        return value
    raise ValueError("it has no `encode` method")


class CompactionConfig(Settings):
    """When the context is compacted and what is kept. Lengths are in characters, budgets in tokens."""

    token_threshold: Annotated[int | Literal["auto"], BeforeValidator(_threshold)] = Field(
        default=100_000,
        description="Give the request size in tokens at which to compact, 1,000 or more, or 'auto' for 70 % of the "
        "model's window.",
    )
    target_ratio: Seconds = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Give the share of the threshold to compact down to, between 0 and 1, such as 0.5.",
    )
    protected_turns: Count = Field(
        default=2,
        ge=1,
        description="Give the number of newest turns to keep whole where possible, 1 or more; the current one counts.",
    )
    max_tool_content_length: Count = Field(
        default=500,
        ge=0,
        description="Give the characters kept of a tool use or result outside the protected turns, 0 or more and at "
        "most hard_tool_content_length.",
    )
    preview_above: Count | None = Field(
        default=None,
        ge=0,
        description="Give the tokens above which a tool result is shown whole only in the call that answers it, 0 or "
        "more, or nothing to leave every result whole.",
    )
    hard_tool_content_length: Count = Field(
        default=100_000,
        ge=1_000,
        description="Give the characters above which a block is cut even in a protected turn, 1,000 or more.",
    )
    summary_max_tokens: Count = Field(
        default=2_000,
        ge=100,
        description="Give the tokens the summary may take, 100 or more and at most half of a given token_threshold; "
        "the default is never more than a fifth of the threshold.",
    )
    summarizer: Annotated[Any, AfterValidator(_summarizer)] = Field(
        default="extractive",
        description="Give 'extractive', 'model' (the agent's own), a Strands model or an object with `summarize`.",
    )
    encoder: Annotated[Any, AfterValidator(_encoder)] = Field(
        default="packaged",
        description="Give 'packaged' for the multilingual encoder that comes with the package, an encoder of your own "
        "(`name`, `encode`), or nothing to judge no sentence by its meaning.",
    )
    keep: Names = Field(
        default=(),
        description="Give plain words for what a summary should keep, such as ('dietary restrictions',).",
    )
    prototypes: dict[str, Names] = Field(
        default_factory=dict,
        description="Give further sample sentences by kind, such as {'prohibition': ('Never mention X.',)}.",
    )
    exclude_tools: Names = Field(
        default=(),
        description="Give the names of tools whose content is never shortened, such as ('search',).",
    )
    keep_media: bool = Field(
        default=False,
        description="Give true to keep images, documents and videos outside the protected turns.",
    )
    recall_tool: bool = Field(
        default=True,
        description="Give false to leave out the tool with which the agent reads back what was folded away.",
    )
    recall_scope: Literal["agent", "session"] = Field(
        default="agent",
        description="Give 'session' to let the recall tool look at what the session's other agents said, too.",
    )
    pin_tool: bool = Field(
        default=False,
        description="Give true for a tool with which the agent pins sentences of the user's that are to hold.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_tool_content_length > self.hard_tool_content_length:
            raise ValueError(
                f"max_tool_content_length ({self.max_tool_content_length}) is above hard_tool_content_length "
                f"({self.hard_tool_content_length}); lower the first or raise the second"
            )
        asked = "summary_max_tokens" in self.model_fields_set  # the default gives way to a small threshold instead
        if asked and self.token_threshold != "auto" and self.summary_max_tokens * 2 > self.token_threshold:
            raise ValueError(
                f"summary_max_tokens ({self.summary_max_tokens}) is over half of token_threshold "
                f"({self.token_threshold}); lower the first or raise the second"
            )
        return self


class HookConfig(Settings):
    """What `MemoryHook` restores at start, retrieves for a user's message, and saves."""

    restore: Literal["system_prompt", "messages", "off"] = Field(
        default="system_prompt",
        description="Give 'system_prompt' or 'messages' for where the last turns are shown, or 'off'.",
    )
    restore_max_tokens: Count = Field(
        default=2_000,
        ge=0,
        description="Give the tokens that restored turns may take, 0 or more.",
    )
    retrieve: bool = Field(
        default=True,
        description="Give false to search no long-term memory.",
    )
    retrieve_timeout: Seconds = Field(
        default=1.2,
        gt=0,
        le=60,
        description="Give the seconds a retrieval over all namespaces may take, above 0 and at most 60.",
    )
    retrieve_max_tokens: Count = Field(
        default=1_000,
        ge=0,
        description="Give the tokens that retrieved records may take, 0 or more.",
    )
    roles: Annotated[tuple[Literal["user", "assistant"], ...], BeforeValidator(one_or_many)] = Field(
        default=("user", "assistant"),
        min_length=1,
        description="Give the roles whose text is saved: 'user', 'assistant' or both.",
    )
    strip_thinking: bool = Field(
        default=True,
        description="Give false to save <thinking> blocks too.",
    )
    on_error: Literal["degrade", "raise"] = Field(
        default="degrade",
        description="Give 'degrade' to go on without memory when it cannot be reached, or 'raise'.",
    )


class WriteConfig(Settings):
    """How events are written, and what happens while the memory service cannot take them."""

    flush: Literal["turn", "message", "background"] = Field(
        default="turn",
        description="Give 'turn' (one event at its end), 'message' (at once) or 'background' (a thread).",
    )
    flush_interval_seconds: Seconds = Field(
        default=10,
        gt=0,
        description="Give the seconds after which a turn that is still running is written as far as it is, above 0.",
    )
    event_format: Literal["sdk", "clean"] = Field(
        default="sdk",
        description="Give 'sdk' (whole messages as JSON, which the SDK's session manager reads) or 'clean' (plain "
        "text, which extraction reads best, with the whole messages beside it).",
    )
    outbox: FilePath | None = Field(
        default=None,
        description="Give the file that keeps unsent turns over a crash, or nothing to keep them in memory.",
    )
    queue_limit: Count = Field(
        default=1_000,
        ge=1,
        description="Give the turns that may wait to be sent, 1 or more.",
    )
    breaker_failures: Count = Field(
        default=5,
        ge=1,
        description="Give the failures in a row after which writing pauses, 1 or more.",
    )
    breaker_reset_seconds: Seconds = Field(
        default=60,
        gt=0,
        description="Give the seconds writing pauses before it is tried again, above 0.",
    )
    redact: Callable[[str], str] | None = Field(
        default=None,
        description="Give a function from text to text that sees every text before it leaves the process.",
    )
    metadata: dict[
        Annotated[str, Field(min_length=1, max_length=128, pattern=METADATA_PATTERN)],
        Annotated[str, Field(max_length=256, pattern=METADATA_PATTERN)],
    ] = Field(
        default_factory=dict,
        max_length=10,
        description="Give up to 10 of the 15 metadata keys of an event (the rest are the library's): keys up to 128 "
        "and values up to 256 characters of letters, digits, white space and ._:/=+@-",
    )

    @model_validator(mode="after")
    def _unreserved(self) -> Self:
        if taken := sorted(_RESERVED_METADATA & self.metadata.keys()):
            raise ValueError(
                f"metadata key {taken[0]!r} is written by the AgentCore SDK or by agentmem itself; choose another"
            )
        return self


class EventLogCheckpoints(Settings):
    """Checkpoints ride in the turn's own event: no further infrastructure."""

    kind: Literal["event_log"] = "event_log"


class DynamoDBCheckpoints(Settings):
    """Checkpoints in a DynamoDB table, for containers that compete for a session and for audit."""

    kind: Literal["dynamodb"] = "dynamodb"
    table: str = Field(
        pattern=r"^([a-zA-Z0-9_.-]{3,255}|arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:\d{12}:table/[a-zA-Z0-9_.-]{3,255})$",
        description="Give the table's name (3 to 255 letters, digits and _.-) or its ARN.",
    )
    ttl_days: Count | None = Field(
        default=30,
        ge=1,
        le=3_650,
        description="Give the days after its last use at which a checkpoint expires, 1 to 3,650, or nothing for never.",
    )
    event_expiry_days: Count = Field(
        default=90,
        ge=3,
        le=3_650,
        description="Give the days the memory keeps events (its eventExpiryDuration), 3 to 3,650: checkpoints live at "
        "least as long, so that what was folded can be recalled for as long as it is stored.",
    )
    region: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]+$",
        description="Give the table's region, such as 'us-west-2', when it is not the memory's.",
    )
    endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Give an http or https address when the table is not on AWS.",
    )


class SqliteCheckpoints(Settings):
    """Checkpoints in a SQLite file, for the processes of one machine."""

    kind: Literal["sqlite"] = "sqlite"
    path: FilePath = Field(description="Give the file's path; its folder is made when needed.")


class InMemoryCheckpoints(Settings):
    """Checkpoints in this process only, for tests."""

    kind: Literal["memory"] = "memory"


CheckpointLocation = Annotated[
    EventLogCheckpoints | DynamoDBCheckpoints | SqliteCheckpoints | InMemoryCheckpoints,
    Field(discriminator="kind"),
]
"""Where the checkpoints of a memory live; in a file or the environment `kind` tells which."""
