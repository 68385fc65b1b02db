"""Checks a configuration for problems and names their remedies, without writing anything."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from agentmem.deploy.provisioning import shortcomings
from agentmem.errors import AgentMemError, CheckpointStoreError, MissingExtraError
from agentmem.events.agents import AGENT
from agentmem.operations.remedies import CREDENTIALS, DENIED, REJECTED, code_of, other_endpoints, remedy_of
from agentmem.operations.session_agents import agents_of
from agentmem.settings.sections import DynamoDBCheckpoints, InMemoryCheckpoints, SqliteCheckpoints
from agentmem.support.installation import other_distribution
from agentmem.support.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from agentmem.config import MemoryConfig

Status = Literal["ok", "warning", "failed", "skipped"]

NOBODY = "agentmem-doctor"
"""The actor and session that harmless calls are about; no event is ever written to them."""

NO_EVENT = f"{0:019d}#00000000"
_UNREACHABLE = (BotoCoreError, ResponseParserError)


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: The name of the check.
        status: Whether it is right.
        detail: The result; with ``failed`` and ``warning`` also the remedy.
    """

    check: str
    status: Status
    detail: str


def examine(config: MemoryConfig, *, actor_id: str | None = None, session_id: str | None = None) -> Iterator[Finding]:
    """Check a configuration against the account it is for.

    Args:
        config: The configuration, with a memory id.
        actor_id: The actor of the session to check for mixed event formats.
        session_id: Which session.

    Yields:
        Findings, in the order of what depends on what.
    """
    yield _installation()
    necessary = [_credentials(config), _place(config)]
    yield from necessary
    if any(finding.status == "failed" for finding in necessary):
        return  # every call would fail for the same reason
    reached = yield from _memory(config)
    if not reached:
        return
    yield from _checkpoints(config)
    yield from _permissions(config)
    yield from _formats(config, actor_id, session_id)


def _installation() -> Finding:
    found = other_distribution()
    if found is not None:
        return Finding("installation", "warning", found)
    return Finding("installation", "ok", f"strands-agentmem {__version__}")


def _credentials(config: MemoryConfig) -> Finding:
    if config.local_path is not None:
        return Finding("credentials", "skipped", "an embedded memory needs none")
    try:
        credentials = config.boto_session().get_credentials()
    except (BotoCoreError, AgentMemError) as error:
        return Finding("credentials", "failed", f"{error}. {CREDENTIALS}")
    if credentials is None:
        return Finding("credentials", "failed", f"none were found. {CREDENTIALS}")
    return Finding("credentials", "ok", f"found by {credentials.method}")


def _place(config: MemoryConfig) -> Finding:
    if config.local_path is not None:
        return Finding("place", "ok", f"embedded memory at {config.local_path}")
    region = config.region or config.boto_session().region_name
    if not region:
        return Finding("place", "failed", "there is no region. Give it in the file, or set AWS_REGION.")
    if elsewhere := [f"{name}={value}" for name, value in other_endpoints().items()]:
        return Finding("place", "warning", f"{region}, but not AWS: {', '.join(elsewhere)}. Unset them to reach AWS.")
    return Finding("place", "ok", f"AWS region {region}")


def _memory(config: MemoryConfig) -> Generator[Finding, None, bool]:
    """Look at the memory and its strategies; returns whether it makes sense to go on."""
    try:
        memory = config.control_plane().get_memory(memoryId=config.memory_id)["memory"]
    except ClientError as error:
        yield _no_memory(config, error)
        return code_of(error) not in REJECTED
    except (*_UNREACHABLE, AgentMemError, KeyError) as error:
        yield Finding("memory", "failed", _told(error))
        return False
    yield _status(config, memory)
    problems = shortcomings(config, memory)
    for problem in problems:
        yield Finding("strategies", "failed", problem)
    if not problems:
        names = ", ".join(namespace.name for namespace in config.namespaces) or "none"
        yield Finding("strategies", "ok", f"as configured: {names}")
    return True


def _no_memory(config: MemoryConfig, error: ClientError) -> Finding:
    code = code_of(error)
    if code in REJECTED:
        return Finding("credentials", "failed", f"the service does not accept them ({error}). {CREDENTIALS}")
    if code in DENIED:
        # An agent does not call it: a policy without it is no mistake.
        detail = (
            f"{error}. Its status and strategies could not be compared; `agentmem iam-policy --operator` allows it."
        )
        return Finding("memory", "warning", detail)
    if code == "ResourceNotFoundException":
        return Finding(
            "memory",
            "failed",
            f"{config.memory_id!r} is not in region {config.region}. Correct the id or the region, or run "
            "`agentmem init`.",
        )
    return Finding("memory", "failed", _told(error))


def _status(config: MemoryConfig, memory: Mapping[str, Any]) -> Finding:
    status = memory["status"]
    kept = f"{config.memory_id} is {status}, events are kept for {memory['eventExpiryDuration']} days"
    if status == "ACTIVE":
        return Finding("memory", "ok", kept)
    if status == "FAILED":
        reason = memory.get("failureReason", "no reason given")
        remedy = "Mend that, delete the memory and run `agentmem init`."
        return Finding("memory", "failed", f"{kept}: {reason.rstrip('.')}. {remedy}")
    return Finding("memory", "failed", f"{kept}. Wait until it is ACTIVE, or have `agentmem init` wait.")


def _told(error: BaseException) -> str:
    """Return what an error says, which error it is when that is no sentence of ours, and what to do."""
    said = str(error) if isinstance(error, AgentMemError | ClientError) else f"{type(error).__name__}: {error}"
    return " ".join(filter(None, (said if said.endswith(".") else f"{said}.", remedy_of(error))))


def _checkpoints(config: MemoryConfig) -> Iterator[Finding]:
    """Look at where checkpoints are kept; the event log needs no place of its own."""
    match config.checkpoints:
        case DynamoDBCheckpoints() as location:
            yield from _table(config, location)
        case SqliteCheckpoints(path=path):
            yield _file(Path(path).expanduser())
        case InMemoryCheckpoints():
            yield Finding(
                "checkpoints",
                "warning",
                "they live in the agent's process and are gone with it: sessions are folded anew after a restart. Use "
                "another [checkpoints] kind than 'memory', or leave the section out.",
            )


def _file(path: Path) -> Finding:
    from agentmem.checkpoints.sqlite import SqliteCheckpointStore

    if not path.exists():
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not os.access(folder, os.W_OK):
            return Finding(
                "checkpoints",
                "failed",
                f"{path} cannot be made in {folder}. Give [checkpoints] path a folder to write to.",
            )
        return Finding("checkpoints", "ok", f"{path} will be made by the first compaction")
    try:
        SqliteCheckpointStore(path).keys_of(NOBODY)
    except CheckpointStoreError as error:
        return Finding("checkpoints", "failed", str(error))
    return Finding("checkpoints", "ok", f"in {path}")


def _table(config: MemoryConfig, location: DynamoDBCheckpoints) -> Iterator[Finding]:
    from agentmem.checkpoints.open import dynamodb_client

    remedy = "Run `agentmem checkpoints create-table`, which completes it."
    try:
        client = dynamodb_client(location, boto_session=_table_session(config), region=config.region)
        table = client.describe_table(TableName=location.table)["Table"]
        keys = {entry["AttributeName"]: entry["KeyType"] for entry in table["KeySchema"]}
        if keys != {"pk": "HASH", "sk": "RANGE"}:
            told = f"{location.table} has the keys {keys}: it was made for something else. Give [checkpoints] another."
            yield Finding("table", "failed", told)
            return
        if table["TableStatus"] == "ACTIVE":
            yield Finding("table", "ok", f"{location.table} is ACTIVE")
        else:
            yield Finding("table", "failed", f"{location.table} is {table['TableStatus']}. Wait until it is ACTIVE.")
        expiry = client.describe_time_to_live(TableName=location.table)["TimeToLiveDescription"]
        if expiry.get("AttributeName") == "expires_at" and expiry["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}:
            yield Finding("table expiry", "ok", "on")
        else:
            yield Finding("table expiry", "warning", f"off: checkpoints are never deleted. {remedy}")
        backups = client.describe_continuous_backups(TableName=location.table)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        on = recovery == "ENABLED"
        yield Finding("table recovery", "ok" if on else "warning", "on" if on else f"off. {remedy}")
    except ClientError as error:
        code = code_of(error)
        missing = code == "ResourceNotFoundException"
        detail = f"there is no table {location.table}. {remedy}" if missing else _told(error)
        yield Finding("table", "warning" if code in DENIED else "failed", detail)
    except (BotoCoreError, AgentMemError) as error:
        yield Finding("table", "failed", _told(error))


def _permissions(config: MemoryConfig) -> Iterator[Finding]:
    for action, call in _harmless(config):
        name = f"permission {action}"
        try:
            call()
        except ClientError as error:
            code = code_of(error)
            if code in DENIED:
                yield Finding(name, "failed", f"{error}. `agentmem iam-policy` prints the policy that is needed.")
            elif code in {"ResourceNotFoundException", "ValidationException", "ConditionalCheckFailedException"}:
                yield Finding(name, "ok", "allowed")  # it was looked at, which comes after the permission
            else:
                yield Finding(name, "warning", f"{error}. Try again.")
        except MissingExtraError as error:
            yield Finding("installation", "failed", str(error))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on
            yield Finding(name, "failed", _told(error))
        else:
            yield Finding(name, "ok", "allowed")


def _harmless(config: MemoryConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a call for each action an agent needs that changes nothing, with the action's name."""
    client = config.data_plane()
    memory = {"memoryId": config.memory_id}
    nobody = {**memory, "actorId": NOBODY, "sessionId": NOBODY}
    yield "ListEvents", lambda: client.list_events(**nobody, maxResults=1)
    yield "GetEvent", lambda: client.get_event(**nobody, eventId=NO_EVENT)
    yield "DeleteEvent", lambda: client.delete_event(**nobody, eventId=NO_EVENT)
    # A branch of an event that is not there is refused, after the permission was looked at.
    yield (
        "CreateEvent",
        lambda: client.create_event(
            **nobody,
            eventTimestamp=datetime.now(UTC),
            payload=[],
            branch={"name": NOBODY, "rootEventId": NO_EVENT},
            extractionMode="SKIP",
        ),
    )
    variables = dict.fromkeys(config.variables(), "doctor")
    for namespace in config.namespaces:
        with suppress(AgentMemError):  # such as a strategy id that is not configured; `strategies` tells that
            place = {**memory, "namespace": namespace.resolve(NOBODY, NOBODY, variables)}
            criteria = {"searchQuery": "doctor", "topK": 1}
            yield (
                f"ListMemoryRecords of {namespace.name}",
                lambda place=place: client.list_memory_records(**place, maxResults=1),  # type: ignore[misc]
            )
            yield (
                f"RetrieveMemoryRecords of {namespace.name}",
                lambda place=place, criteria=criteria: client.retrieve_memory_records(  # type: ignore[misc]
                    **place, searchCriteria=criteria, maxResults=1
                ),
            )
    if config.namespaces:
        yield "ListMemoryExtractionJobs", lambda: client.list_memory_extraction_jobs(**memory, maxResults=1)
    if isinstance(config.checkpoints, DynamoDBCheckpoints):
        yield from _harmless_on_table(config, config.checkpoints)


def _harmless_on_table(
    config: MemoryConfig, location: DynamoDBCheckpoints
) -> Iterator[tuple[str, Callable[[], object]]]:
    from agentmem.checkpoints.open import dynamodb_client

    client = dynamodb_client(location, boto_session=_table_session(config), region=config.region)
    table = location.table
    key = {"pk": {"S": NOBODY}, "sk": {"S": NOBODY}}
    only_if_there = {"TableName": table, "ConditionExpression": "attribute_exists(pk)"}
    of_nobody = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": key["pk"]}}
    yield "dynamodb:Query", lambda: client.query(TableName=table, **of_nobody)
    yield "dynamodb:BatchGetItem", lambda: client.batch_get_item(RequestItems={table: {"Keys": [key]}})
    yield "dynamodb:PutItem", lambda: client.put_item(Item=key, **only_if_there)
    yield (
        "dynamodb:UpdateItem",
        lambda: client.update_item(Key=key, UpdateExpression="REMOVE expires_at", **only_if_there),
    )
    delete = {"DeleteRequest": {"Key": key}}
    yield "dynamodb:BatchWriteItem", lambda: client.batch_write_item(RequestItems={table: [delete]})


def _table_session(config: MemoryConfig) -> Any:
    # The table of an embedded memory is a real one, with the process's own credentials.
    return config.boto_session() if config.local_path is None else None


def _formats(config: MemoryConfig, actor_id: str | None, session_id: str | None) -> Iterator[Finding]:
    if actor_id is None or session_id is None:
        yield Finding("event formats", "skipped", "name a session with --actor and --session to look for mixed ones")
        return
    from agentmem.events.codec import decode_event

    try:
        answer = config.data_plane().list_events(
            memoryId=config.memory_id, actorId=actor_id, sessionId=session_id, maxResults=100
        )
        events = [decode_event(event) for event in answer["events"]]
    except (ClientError, *_UNREACHABLE, AgentMemError, KeyError) as error:
        yield Finding("event formats", "failed", _told(error))
        return
    agents = agents_of(answer["events"])
    if agents:
        told = ", ".join(f"{one.agent_id} ({one.kind})" for one in agents)
        yield Finding("agents", "ok", f"{told} in the newest {len(events)} events")
    # Every agent but the main one is written in agentmem's own form.
    origins: Counter[str] = Counter(
        logged.origin for event in events if AGENT not in event.marks for logged in event.messages
    )
    yield _mixed(origins, len(events))
    if unknown := sum(event.unknown for event in events):
        yield Finding(
            "event formats",
            "warning",
            f"{unknown} items are in no known form and are passed "
            "over. `agentmem events show` shows what they are; whoever wrote them reads them.",
        )


def _mixed(origins: Mapping[str, int], events: int) -> Finding:
    told = ", ".join(f"{count:,} messages as {name}" for name, count in sorted(origins.items())) or "no messages"
    if len(origins) > 1:
        return Finding(
            "event formats",
            "warning",
            f"{told} in the newest {events} events: several writers share the session, such as a hook and a session "
            "manager. Use one of them, or what was said may be stored twice.",
        )
    return Finding("event formats", "ok", f"{told} in the newest {events} events")
