"""Makes the model of `agentmem chat`: on Bedrock, on Ollama, behind an OpenAI-compatible API, or offline."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from strands.models import Model

_OPENAI, _OLLAMA, _BEDROCK = "openai:", "ollama:", "bedrock:"


def open_model(
    name: str,
    *,
    base_url: str | None = None,
    region: str | None = None,
    context_window: int | None = None,
) -> Model:
    """Make a model; it is not called yet.

    Args:
        name: ``offline``; ``ollama:NAME``; ``openai:NAME`` for an OpenAI-compatible API; anything else is the id of a
            model or of an inference profile on Bedrock, with or without ``bedrock:`` before it.
        base_url: Where the API is, when it is not the provider's own or the one its environment variable
            (``OPENAI_BASE_URL``, ``OLLAMA_HOST``) names.
        region: The AWS region of a model on Bedrock; the process's own without it.
        context_window: The model's window in tokens, when Strands does not know it.

    Returns:
        The model.

    Raises:
        MissingExtraError: The provider's package is not installed.
        ConfigurationError: There are no credentials for it, or a setting has no meaning for it.
    """
    settings: dict[str, Any] = {} if context_window is None else {"context_window_limit": context_window}
    if name.startswith(_OPENAI):
        return _openai(_named(name, _OPENAI), base_url, settings)
    if name.startswith(_OLLAMA):
        return _ollama(_named(name, _OLLAMA), base_url, settings)
    if base_url is not None:
        raise ConfigurationError(
            f"base_url = {base_url!r}: only openai:NAME and ollama:NAME have one, and the model is {name!r}. Put "
            "'openai:' before a name that an OpenAI-compatible API knows; a Bedrock endpoint is set with "
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME."
        )
    if is_offline(name):
        from agentmem.testing import OfflineModel

        return OfflineModel(**settings)
    return _bedrock(_named(name, _BEDROCK), region, settings)


def is_offline(name: str) -> bool:
    """Return whether a name given with ``--model`` is the offline model's; ``stand-in`` was its name until 0.2."""
    return name in {"offline", "stand-in"}


def _openai(name: str, base_url: str | None, settings: dict[str, Any]) -> Model:
    try:
        from strands.models.openai import OpenAIModel
    except ImportError as error:
        raise _missing("openai", error) from error
    arguments: dict[str, Any] = {} if base_url is None else {"base_url": base_url}
    if not os.environ.get("OPENAI_API_KEY"):
        if base_url is None and not os.environ.get("OPENAI_BASE_URL"):
            raise ConfigurationError(
                f"model = 'openai:{name}': there is no API key. Set OPENAI_API_KEY, or name a server that needs none "
                "with --base-url or OPENAI_BASE_URL."
            )
        arguments["api_key"] = "none"  # a server of one's own asks for none, and the client insists on one
    return OpenAIModel(client_args=arguments, model_id=name, **settings)


def _ollama(name: str, base_url: str | None, settings: dict[str, Any]) -> Model:
    try:
        from strands.models.ollama import OllamaModel
    except ImportError as error:
        raise _missing("ollama", error) from error
    return OllamaModel(base_url, model_id=name, **settings)


def _bedrock(model_id: str, region: str | None, settings: dict[str, Any]) -> Model:
    from botocore.exceptions import BotoCoreError
    from strands.models import BedrockModel

    from agentmem.clients.boto import default_session

    remedy = (
        "Sign in (`aws configure sso`, `aws login`) or set AWS_PROFILE or AWS_BEARER_TOKEN_BEDROCK. Without --model "
        "the offline model answers."
    )
    try:
        found = default_session().get_credentials()
        if found is None and not os.environ.get("AWS_BEARER_TOKEN_BEDROCK"):
            raise ConfigurationError(f"model = {model_id!r}: no AWS credentials were found. {remedy}")
        return BedrockModel(model_id=model_id, region_name=region, **settings)
    except BotoCoreError as error:
        raise ConfigurationError(f"model = {model_id!r}: {error}. {remedy}") from error


def _named(name: str, prefix: str) -> str:
    found = name.removeprefix(prefix)
    if not found.strip():
        raise ConfigurationError(f"model = {name!r}: the model's name is missing. Give it behind '{prefix}'.")
    return found


def _missing(provider: str, error: ImportError) -> MissingExtraError:
    return MissingExtraError(f"model = '{provider}:...'", error.name or provider, provider, of="strands-agents")
