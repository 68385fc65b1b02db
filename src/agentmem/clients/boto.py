"""Makes boto3 clients once and shares them.

Making a client costs tens of milliseconds, so everything asks here: one client for each session, service, region,
endpoint and client configuration, in every thread. They are kept on the boto3 session itself and go when it goes.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError
from agentmem.support.version import __version__

if TYPE_CHECKING:
    import boto3
    from bedrock_agentcore.memory import MemoryClient
    from botocore.config import Config

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 10.0
MAX_ATTEMPTS = 3
"""Bounds of one call, in seconds and tries: an agent waits at most about half a minute for a service that hangs."""

_DATA_PLANE = "bedrock-agentcore"
_CONTROL_PLANE = "bedrock-agentcore-control"
_ATTRIBUTE = "_agentmem_clients"
_ENDPOINT_VARIABLES = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE",
    "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""What botocore reads from the environment when a client is made and that decides where it talks to."""

_SESSION_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
"""What a boto3 session reads from the environment and keeps."""

_lock = threading.RLock()
_default: tuple[int, boto3.Session] | None = None


def default_session() -> boto3.Session:
    """Return the boto3 session of this process, made from the environment and the shared configuration files.

    Returns:
        The same session for as long as the AWS variables of the environment stay the same.
    """
    global _default  # noqa: PLW0603 - one session for each process is the point
    import boto3

    # Only a hash: the key must not keep credentials alive.
    environment = hash(tuple(os.environ.get(name) for name in _SESSION_VARIABLES))
    with _lock:
        if _default is None or _default[0] != environment:
            _default = (environment, boto3.Session())
        return _default[1]


def data_plane(session: boto3.Session | None = None, region: str | None = None, config: Config | None = None) -> Any:
    """Return the shared client of AgentCore's data plane: events, records, sessions, actors.

    Args:
        session: Where credentials, and an embedded service's transport, come from; None for `default_session`.
        region: The region; None for the session's.
        config: botocore settings that win over ours (3 attempts, 2 s to connect, 10 s to read).

    Returns:
        A boto3 client, safe in every thread.

    Raises:
        ConfigurationError: There is no region.
    """
    return _shared(session, _DATA_PLANE, region, None, config)


def control_plane(session: boto3.Session | None = None, region: str | None = None, config: Config | None = None) -> Any:
    """Return the shared client of AgentCore's control plane: memory resources and their strategies.

    Args:
        session: Where credentials, and an embedded service's transport, come from; None for `default_session`.
        region: The region; None for the session's.
        config: botocore settings that win over ours.

    Returns:
        A boto3 client, safe in every thread.

    Raises:
        ConfigurationError: There is no region.
    """
    return _shared(session, _CONTROL_PLANE, region, None, config)


def dynamodb(
    session: boto3.Session | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    config: Config | None = None,
) -> Any:
    """Return the shared DynamoDB client.

    Args:
        session: Where credentials come from; None for `default_session`.
        region: The region; None for the session's.
        endpoint_url: Where the service is when it is not on AWS.
        config: botocore settings that win over ours.

    Returns:
        A boto3 client, safe in every thread.

    Raises:
        ConfigurationError: There is no region.
    """
    return _shared(session, "dynamodb", region, endpoint_url, config)


def memory_client(session: boto3.Session | None = None, region: str | None = None) -> MemoryClient:
    """Return the shared `MemoryClient` of the AgentCore SDK.

    Args:
        session: Where credentials, and an embedded service's transport, come from; None for `default_session`.
        region: The region; None for the session's.

    Returns:
        The SDK's client; it makes two boto3 clients of its own, with botocore's default timeouts.

    Raises:
        ConfigurationError: There is no region.
    """
    session = default_session() if session is None else session
    region = _region(session, region)
    key = ("MemoryClient", region, _endpoints())
    clients = _clients_of(session)
    with _lock:
        if key not in clients:
            from bedrock_agentcore.memory import MemoryClient

            clients[key] = (MemoryClient(region_name=region, boto3_session=session), None)
        client: MemoryClient = clients[key][0]
        return client


def _shared(
    session: boto3.Session | None, service: str, region: str | None, endpoint_url: str | None, config: Config | None
) -> Any:
    from agentmem.clients.answers import check_answers

    session = default_session() if session is None else session
    region = _region(session, region)
    merged = _config(config)
    key = (service, region, endpoint_url, _meaning(merged), _endpoints())
    clients = _clients_of(session)
    found = clients.get(key)
    if found is None:
        with _lock:  # boto3 sessions are not safe to make clients from in two threads at once
            found = clients.get(key)
            if found is None:
                client = session.client(
                    service,  # type: ignore[call-overload]  # the stubs know the literal names only
                    region_name=region,
                    endpoint_url=endpoint_url,
                    config=merged,
                )
                check_answers(client)
                found = clients[key] = (client, config)  # what it holds stays alive, so no other has its identity
    return found[0]


def _meaning(config: Config) -> str:
    """Return what a botocore configuration says: it has no equality, and one is made for every hook."""
    options = {name: value for name, value in vars(config).items() if not name.startswith("_")}
    return repr(sorted((name, _ordered(value)) for name, value in options.items()))


def _ordered(value: object) -> object:
    return sorted(value.items()) if isinstance(value, dict) else value


def _clients_of(session: boto3.Session) -> dict[tuple[object, ...], tuple[Any, Config | None]]:
    # On the session rather than in a WeakKeyDictionary: a client may refer to its session, which would never be freed.
    with _lock:
        clients: dict[tuple[object, ...], tuple[Any, Config | None]] = session.__dict__.setdefault(_ATTRIBUTE, {})
        return clients


def _region(session: boto3.Session, region: str | None) -> str:
    # boto3 itself reads AWS_DEFAULT_REGION only, although the runtimes of AWS set AWS_REGION.
    found = region or session.region_name or os.environ.get("AWS_REGION")
    if not found:
        raise ConfigurationError(
            "region is missing. Give MemoryConfig(region=...), set AWS_REGION, or choose a profile that has one."
        )
    return found


def _endpoints() -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in _ENDPOINT_VARIABLES)


def _config(given: Config | None) -> Config:
    from botocore.config import Config

    agent = f"agentmem/{__version__}"
    theirs = getattr(given, "user_agent_extra", None)
    ours = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
    )
    merged = ours.merge(given) if given is not None else ours
    return merged.merge(Config(user_agent_extra=f"{theirs} {agent}" if theirs else agent))
