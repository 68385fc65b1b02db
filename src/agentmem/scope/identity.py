"""Makes and checks actor and session ids before AgentCore Memory sees them.

An actor id ends up inside namespaces, so a careless one reaches into another actor's memory. The patterns and lengths
are the service's own; a test compares them with botocore's service model.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
import unicodedata

from agentmem.errors import ConfigurationError, IdentityError

MEMORY_ID_PATTERN = (
    r"(arn:(aws|aws-cn|aws-us-gov):bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:memory/)?"
    r"[a-zA-Z][a-zA-Z0-9-_]{0,99}-[a-zA-Z0-9]{10}"
)
"""Data plane shape `MemoryId`."""

ACTOR_ID_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9-_/]*(?::[a-zA-Z0-9-_/]+)*[a-zA-Z0-9-_/]*"
"""Data plane shape `ActorId`."""

SESSION_ID_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9-_]*"
"""Data plane shape `SessionId`."""

ACTOR_ID_MAX = 255
SESSION_ID_MAX = 100
RUNTIME_SESSION_ID_MIN = 33
"""AgentCore Runtime takes session ids of 33 to 256 characters (shape `SessionType` of InvokeAgentRuntime)."""

PURPOSE_MAX = 40
_AGENT_ID = re.compile(r"[a-zA-Z0-9\s._:/=+@-]{1,256}")
_SHOWN_LENGTH = 80
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's alphabet: in order, so that ids sort by time, and without letters that are mistaken for others."""


def validate_memory_id(memory_id: str) -> str:
    """Hold a memory id to the service's rule.

    Args:
        memory_id: The id of an AgentCore Memory resource, such as ``support_bot-a1b2c3d4e5``, or its ARN.

    Returns:
        The id, unchanged.

    Raises:
        ConfigurationError: AgentCore Memory would refuse it.
    """
    if not isinstance(memory_id, str) or not re.fullmatch(MEMORY_ID_PATTERN, memory_id):
        raise ConfigurationError(
            f"memory_id = {_shown(memory_id)}: not the id of an AgentCore Memory, which is a name, a hyphen and ten "
            "letters or digits, such as 'support_bot-a1b2c3d4e5'. Take it from the console, from "
            "BEDROCK_AGENTCORE_MEMORY_ID or from ensure_memory()."
        )
    return memory_id


def validate_session_id(session_id: str, *, runtime: bool = False) -> str:
    """Hold a session id to the rules of Memory, and of Runtime if asked.

    Args:
        session_id: 1 to 100 letters, digits, hyphens and underscores, the first one a letter or digit.
        runtime: Also ask for the 33 characters that AgentCore Runtime wants.

    Returns:
        The id, unchanged.

    Raises:
        IdentityError: The service would refuse it.
    """
    if not isinstance(session_id, str) or not session_id:
        raise IdentityError(
            f"session_id = {_shown(session_id)}: empty or no text. Make one with new_session_id(actor_id)."
        )
    if len(session_id) > SESSION_ID_MAX:
        raise IdentityError(
            f"session_id = {_shown(session_id)}: {len(session_id)} characters, but AgentCore Memory takes at most "
            f"{SESSION_ID_MAX}. Shorten it, or make one with new_session_id(actor_id)."
        )
    if not re.fullmatch(SESSION_ID_PATTERN, session_id):
        raise IdentityError(
            f"session_id = {_shown(session_id)}: AgentCore Memory takes letters, digits, '-' and '_' only, beginning "
            "with a letter or digit. Make one with new_session_id(actor_id)."
        )
    if runtime and len(session_id) < RUNTIME_SESSION_ID_MIN:
        raise IdentityError(
            f"session_id = {_shown(session_id)}: {len(session_id)} characters, but AgentCore Runtime wants at least "
            f"{RUNTIME_SESSION_ID_MIN}. Make one with new_session_id(actor_id)."
        )
    return session_id


def validate_actor_id(actor_id: str, *, hierarchical: bool = False) -> str:
    """Hold an actor id to the service's rule, and to one of our own: it stays in its own subtree.

    Args:
        actor_id: 1 to 255 letters, digits, hyphens and underscores, the first one a letter or digit.
        hierarchical: Also take ``/`` and ``:`` as the service does. An actor ``team/ann`` then lies inside the
            namespaces of an actor ``team``; only for ids that are not chosen by users.

    Returns:
        The id, unchanged.

    Raises:
        IdentityError: The service would refuse it, or it would reach into another actor's memory.
    """
    if not isinstance(actor_id, str) or not actor_id:
        raise IdentityError(
            f"actor_id = {_shown(actor_id)}: empty or no text. Without an actor everyone would share one memory; give "
            "the signed-in user's id, or actor_id_for(subject)."
        )
    if len(actor_id) > ACTOR_ID_MAX:
        raise IdentityError(
            f"actor_id = {_shown(actor_id)}: {len(actor_id)} characters, but AgentCore Memory takes at most "
            f"{ACTOR_ID_MAX}. Use actor_id_for(subject)."
        )
    if set(actor_id) & set("{}*"):
        raise IdentityError(
            f"actor_id = {_shown(actor_id)}: holds a placeholder or wildcard character and could name other actors' "
            "memory. Use actor_id_for(subject)."
        )
    if not hierarchical and set(actor_id) & set("/:") and re.fullmatch(ACTOR_ID_PATTERN, actor_id):
        raise IdentityError(
            f"actor_id = {_shown(actor_id)}: '/' and ':' would reach into another actor's memory. Use "
            "actor_id_for(subject), or set MemoryConfig(hierarchical_actor_ids=True) when these ids are your own."
        )
    if not re.fullmatch(ACTOR_ID_PATTERN, actor_id):
        raise IdentityError(
            f"actor_id = {_shown(actor_id)}: AgentCore Memory takes letters, digits, '-' and '_' only, beginning with "
            "a letter or digit, so no emails and no 'provider|subject' names. Use actor_id_for(subject)."
        )
    if "//" in actor_id or actor_id.endswith("/") or "/:" in actor_id or ":/" in actor_id:
        # Namespaces collapse doubled slashes, so `a//b` and `a/b` would be two actors with one memory.
        raise IdentityError(
            f"actor_id = {_shown(actor_id)}: has an empty part between separators. Remove the surplus '/' or ':'."
        )
    return actor_id


def validate_agent_id(agent_id: str, address: object) -> str:
    """Return an agent's id if every event of a session can carry it.

    The SDK keeps the id of the agent whose state an event holds in the event's metadata, so it is held to what the
    service takes there (botocore's model of it: ``MetadataValue``).

    Args:
        agent_id: The Strands agent's id.
        address: The session, for the message.

    Raises:
        IdentityError: It is empty, longer than 256 characters, or has others than the service takes.
    """
    if not _AGENT_ID.fullmatch(agent_id):
        raise IdentityError(
            f"agent_id {_shown(agent_id)} cannot be used for {address}: AgentCore Memory refuses every event of it. "
            "Use 1 to 256 letters A-Z and a-z, digits, spaces and . _ : / = + @ -, such as "
            "Agent(agent_id='support', name='...'); the name may be anything."
        )
    return agent_id


def actor_id_for(subject: str) -> str:
    """Turn any user name, email or identity provider's subject into a valid actor id that does not show it.

    The id is ``u-`` and 128 bits of the SHA-256 of the subject in Crockford base 32, so it is the same in every process
    and release. Among a thousand million subjects, the odds that any two share an id are below one in 10**20. The
    subject is compared exactly, but for Unicode composition (NFC): an IdP's subject is case sensitive, so ``Ann@x.org``
    and ``ann@x.org`` are two actors; lower-case emails before calling if they are one to you. A hash hides the subject
    from a reader of logs, not from someone who can guess and try it: do not publish these ids.

    Args:
        subject: The name, as the identity provider gives it; not empty.

    Returns:
        28 characters: lower-case letters, digits and one hyphen.

    Raises:
        IdentityError: The subject is empty or only white space.
    """
    if not isinstance(subject, str) or not subject.strip():
        raise IdentityError(
            f"subject = {_shown(subject)}: empty or no text. Give the name the identity provider gives, such as the "
            "token's 'sub' claim."
        )
    # A lone surrogate is no text in UTF-8, but still a subject that must stay distinct.
    encoded = unicodedata.normalize("NFC", subject).encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(b"agentmem actor 1\0" + encoded).digest()
    return "u-" + _base32(int.from_bytes(digest[:16]), 26)


def new_session_id(actor_id: str, purpose: str = "chat") -> str:
    """Make a session id that is unique and valid for both Memory and Runtime.

    Ids of one purpose sort by the millisecond they were made in; 105 random bits follow. Nothing of the actor's id is
    in them.

    Args:
        actor_id: The actor of the session; any non-empty text, checked by `bind`.
        purpose: What the session is for: up to 40 letters, digits, hyphens and underscores, the first one a letter or
            digit.

    Returns:
        ``<purpose>-<time>-<random>``: 33 characters and the purpose.

    Raises:
        IdentityError: The actor id is empty.
        ConfigurationError: The purpose cannot be part of a session id.
    """
    if not isinstance(actor_id, str) or not actor_id:
        raise IdentityError(f"actor_id = {_shown(actor_id)}: empty or no text. Give the id of the session's actor.")
    if not isinstance(purpose, str) or len(purpose) > PURPOSE_MAX or not re.fullmatch(SESSION_ID_PATTERN, purpose):
        raise ConfigurationError(
            f"purpose = {_shown(purpose)}: give 1 to {PURPOSE_MAX} letters, digits, '-' and '_', beginning with a "
            "letter or digit."
        )
    return f"{purpose}-{_base32(time.time_ns() // 1_000_000, 10)}-{_base32(secrets.randbits(105), 21)}"


def _base32(number: int, width: int) -> str:
    """Write a number in base 32, the lowest `width` digits of it."""
    return "".join(_BASE32[number >> 5 * place & 31] for place in reversed(range(width)))


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return f"<{type(value).__name__}>" if value is not None else "None"
    return repr(value if len(value) <= _SHOWN_LENGTH else value[:_SHOWN_LENGTH] + "…")
