"""Defines the sections of an agent's model: which one on Bedrock, its time limits, and its guardrail.

In a file they are the tables ``[model]`` and ``[guardrail]``; `agentmem.AgentSettings` has them beside a memory.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from agentmem.settings.base import Count, Seconds, Settings


class ModelConfig(Settings):
    """A model on Bedrock, and how long a request to it may take."""

    model_id: str = Field(
        min_length=1,
        max_length=2048,
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/-]*$",
        description="Give the id or ARN of a model or an inference profile, such as 'amazon.nova-lite-v1:0'.",
    )
    region: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2,}(-[a-z0-9]+)+$",
        description="Give the model's region, such as 'us-west-2', when it is not the memory's.",
    )
    max_tokens: Count | None = Field(
        default=None,
        ge=1,
        description="Give the tokens of an answer, 1 or more, or nothing for the model's own limit.",
    )
    temperature: Seconds | None = Field(
        default=None, ge=0, le=1, description="Give 0 to 1, or nothing for the model's own default."
    )
    top_p: Seconds | None = Field(
        default=None, ge=0, le=1, description="Give 0 to 1, or nothing for the model's own default."
    )
    streaming: bool = Field(default=True, description="Give false for answers in one piece.")
    connect_timeout: Seconds = Field(
        default=5, gt=0, le=60, description="Give the seconds until a connection stands, above 0 and at most 60."
    )
    read_timeout: Seconds = Field(
        default=120,
        gt=0,
        le=3_600,
        description="Give the seconds of silence that end a request, above 0 and at most 3,600; with streaming, the "
        "longest pause between two parts of an answer.",
    )
    max_attempts: Count = Field(
        default=3,
        ge=1,
        le=10,
        description="Give how often a request is sent in all, 1 to 10, when it times out or the service is busy; "
        "Strands tries again after that when it is throttled.",
    )


class GuardrailConfig(Settings):
    """A Bedrock guardrail that every request of the model goes through."""

    guardrail_id: str = Field(
        pattern=r"^([a-z0-9]+|arn:aws[a-z-]*:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+)$",
        description="Give the guardrail's id, such as 'gr1a2b3c4d5e', or its ARN.",
    )
    version: str = Field(
        default="DRAFT",
        pattern=r"^([1-9][0-9]{0,7}|DRAFT)$",
        description="Give the guardrail's version, such as '1', or 'DRAFT'.",
        coerce_numbers_to_str=True,
    )
    trace: Literal["enabled", "disabled", "enabled_full"] = Field(
        default="enabled",
        description="Give 'enabled', 'disabled' or 'enabled_full' for what a guardrail says of its judgement.",
    )
    stream_processing: Literal["sync", "async"] = Field(
        default="sync",
        description="Give 'sync' to judge each part of an answer before it is shown, or 'async' to judge it meanwhile.",
    )
    redact_input: bool = Field(
        default=True,
        description="Give false to keep a blocked message in the session; otherwise the log holds its replacement.",
    )
    redact_output: bool = Field(default=False, description="Give true to replace a blocked answer in the session.")
    latest_message: bool = Field(
        default=False, description="Give true to judge the newest message only, and not the whole request."
    )


def _model(value: object) -> object:
    """Take an id alone for a section, and a table for one."""
    if isinstance(value, str):
        return ModelConfig(model_id=value)
    return ModelConfig(**value) if isinstance(value, dict) else value


def _streams(value: object) -> object:
    if not callable(getattr(value, "stream", None)):
        raise ValueError("it is neither a model's id nor a Strands model")
    return value


ModelChoice = Annotated[ModelConfig | Annotated[Any, AfterValidator(_streams)], BeforeValidator(_model)]
"""A model on Bedrock by its id or section, or any Strands model as an object."""
