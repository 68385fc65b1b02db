"""Defines AgentSettings: a memory's configuration with the agent's model, guardrail and time limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from agentmem.config import MemoryConfig
from agentmem.settings.model import GuardrailConfig, ModelChoice, ModelConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.hooks import HookProvider
    from strands.models import Model

    from agentmem.session import MemorySession

__all__ = ["AgentSettings"]


class AgentSettings(MemoryConfig):
    """Everything an agent is configured with: its memory, its model, its guardrail, and how long a request may take.

    It is a `MemoryConfig` with two sections more and is read from the same places: ``[model]`` and ``[guardrail]`` in
    the file, ``AGENTMEM_MODEL__...``, ``AGENTMEM_GUARDRAIL__...`` and ``BEDROCK_MODEL_ID`` in the environment. A
    `MemoryConfig` read from there leaves the two out, so that one file serves both.
    """

    model: ModelChoice = Field(
        description="Give a model's id on Bedrock, a ModelConfig or a table of its fields, or a Strands model; in the "
        "environment, BEDROCK_MODEL_ID.",
    )
    guardrail: GuardrailConfig | None = Field(
        default=None, description="Give a GuardrailConfig or a table of its fields, or nothing for none."
    )
    _opened: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _guarded_on_bedrock(self) -> Self:
        if self.guardrail is not None and not isinstance(self.model, ModelConfig):
            raise ValueError(
                "guardrail is for a model given by its id or section; give a Strands model its guardrail when you "
                "make it (BedrockModel(guardrail_id=...))"
            )
        return self

    def open_model(self) -> Model:
        """Return the agent's model: a `BedrockModel` with the guardrail and the time limits; nothing is called yet.

        Returns:
            The model; the same one each time, so that all agents of this object share its connections. A Strands model
            that was given is returned as it is.

        Raises:
            ConfigurationError: The configuration came out of a pickle and its boto3 session could not come with it.
        """
        if self._opened is None:
            self._opened = self._bedrock(self.model) if isinstance(self.model, ModelConfig) else self.model
        opened: Model = self._opened
        return opened

    def agent_arguments(self, memory: MemorySession, *, hooks: Sequence[HookProvider] = ()) -> dict[str, Any]:
        """Return what makes an agent of a session: ``Agent(**settings.agent_arguments(memory), tools=[...])``.

        Args:
            memory: The session, from `bind`.
            hooks: Further hooks, such as `ResilientTools()`.

        Returns:
            ``model``, ``session_manager`` (keeps the session inside its token budget; close it, or use it in a
            ``with``, when the agent is done) and ``hooks`` (the memory's hook first, which retrieves long-term memory).

        Raises:
            ConfigurationError: The outbox cannot be used, or writes are to be made in the background, and this is AWS
                Lambda.
        """
        return {
            "model": self.open_model(),
            "session_manager": memory.session_manager(),
            "hooks": [memory.hook(), *hooks],
        }

    def __getstate__(self) -> dict[Any, Any]:
        """Leave the opened model out of a pickle; it holds sockets."""
        state = super().__getstate__()
        return {**state, "__pydantic_private__": {**state["__pydantic_private__"], "_opened": None}}

    def _bedrock(self, model: ModelConfig) -> Model:
        from botocore.config import Config
        from strands.models import BedrockModel

        given: dict[str, Any] = {
            "model_id": model.model_id,
            "streaming": model.streaming,
            "max_tokens": model.max_tokens,
            "temperature": model.temperature,
            "top_p": model.top_p,
        }
        if self.guardrail is not None:
            given |= {
                "guardrail_id": self.guardrail.guardrail_id,
                "guardrail_version": self.guardrail.version,
                "guardrail_trace": self.guardrail.trace,
                # Converse refuses a request that is not streamed and has it.
                "guardrail_stream_processing_mode": self.guardrail.stream_processing if model.streaming else None,
                "guardrail_redact_input": self.guardrail.redact_input,
                "guardrail_redact_output": self.guardrail.redact_output,
                "guardrail_latest_message": self.guardrail.latest_message,
            }
        own_region = self.region if self.local_path is None else None  # an embedded memory's is only a name
        limits = Config(
            connect_timeout=model.connect_timeout,
            read_timeout=model.read_timeout,
            retries={"total_max_attempts": model.max_attempts, "mode": "standard"},
        )
        return BedrockModel(
            boto_session=_InRegion(self._account(), model.region or own_region),  # type: ignore[arg-type]
            boto_client_config=limits,
            **{name: value for name, value in given.items() if value is not None},
        )

    def _account(self) -> Any:
        """Return the boto3 session of the model; an embedded memory's own has no account."""
        from agentmem.clients.boto import default_session

        if self.local_path is None:
            return self.boto_session()
        return self.given_session or default_session()


@dataclass(frozen=True)
class _InRegion:
    """A boto3 session with another region: BedrockModel takes a session or a region, not both."""

    session: Any
    region: str | None

    @property
    def region_name(self) -> str | None:
        return self.region or self.session.region_name

    def client(self, *args: Any, **options: Any) -> Any:
        return self.session.client(*args, **options)
