"""Typed example calls of the whole public API; mypy checks them, nothing runs them."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from botocore.config import Config
from strands import Agent
from strands.memory import MemoryManager
from strands.models import BedrockModel, Model
from strands.types.session import SessionMessage

from agentmem import (
    AgentMemError,
    AgentSettings,
    CheckpointConflictError,
    CheckpointStoreError,
    CompactingSessionManager,
    CompactionConfig,
    CompactionError,
    ConfigurationError,
    DynamoDBCheckpoints,
    EventLogCheckpoints,
    ExtractionFailedError,
    GuardrailConfig,
    HistoryUnavailableError,
    HookConfig,
    IdentityError,
    InMemoryCheckpoints,
    LocalMemory,
    Mark,
    MemoryConfig,
    MemoryHook,
    MemoryRecord,
    MemorySession,
    MemoryWaitTimeout,
    MissingExtraError,
    ModelConfig,
    Namespace,
    Pin,
    PinError,
    RecalledMessage,
    RecordEvent,
    RecordStream,
    ResilientTools,
    SessionAgents,
    SqliteCheckpoints,
    ThinkingFilter,
    ToolPolicy,
    UnsentMessagesError,
    WriteConfig,
    actor_id_for,
    cloudformation,
    code_interpreter,
    ensure_memory,
    ensure_memory_async,
    iam_policy,
    new_session_id,
    strip_thinking,
    wait_for_memories,
    wait_for_memories_async,
)
from agentmem.records.waiting.progress import WaitingLine
from agentmem.streaming import (
    RECEIVE_JS,
    DoneEvent,
    ErrorEvent,
    GuardrailEvent,
    MessageEvent,
    MetadataEvent,
    ResumeBuffer,
    StreamEvent,
    ToolResultEvent,
    ToolUseEvent,
    ag_ui_events,
    event_from_dict,
    invoke_stream,
    invoke_stream_async,
    parse_stream,
    parse_stream_async,
    sse_encode,
    sse_response,
    stream_turn,
)
from agentmem.testing import (
    LocalDynamoDB,
    OfflineModel,
    Overflow,
    Reply,
    ScriptedModel,
    SteppedMemory,
    Throttle,
    ToolCall,
)
from agentmem.testing.conformance import Backend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bedrock_agentcore.memory import MemoryClient
    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import CheckpointStore
    from agentmem.testing.plugin import SettledMemories

# Configuration -------------------------------------------------------------------------------------------------------

local: MemoryConfig = MemoryConfig.local()
local = MemoryConfig.local(":memory:", name="support_bot", hook=HookConfig(retrieve=False))
local = MemoryConfig.local(LocalMemory(extraction_delay=2.0, clock=lambda: 0.0))
config: MemoryConfig = MemoryConfig.from_env()
config = MemoryConfig.from_env(compaction=CompactionConfig(token_threshold="auto"))
config = MemoryConfig.from_toml("agentmem.toml", region="us-west-2")
settings: AgentSettings = AgentSettings.from_env(
    model=ModelConfig(model_id="amazon.nova-lite-v1:0", max_tokens=2_000, read_timeout=300),
    guardrail=GuardrailConfig(guardrail_id="gr1a2b3c4d5e", version="7"),
)
settings = AgentSettings.local(model=ScriptedModel())
settings_agent: Agent = Agent(
    **settings.agent_arguments(settings.bind("user123", "chat-0001"), hooks=[ResilientTools()])
)
opened_model: Model = settings.open_model()
config = MemoryConfig(
    memory_id="support_bot-a1b2c3d4e5",
    region="us-west-2",
    namespaces=(
        Namespace.user_preference("preferences", "/users/{actorId}/preferences/", top_k=3),
        Namespace.semantic(
            "facts", "/t/{tenant}/{actorId}/facts/", variables=("tenant",), strategy_id="facts-a1b2c3d4e5"
        ),
        Namespace.summary("summaries", "/summaries/{actorId}/{sessionId}/"),
        Namespace.episodic("episodes", "/e/{actorId}/{sessionId}/", reflection_template="/e/{actorId}/"),
        Namespace.custom("own", "/own/{actorId}/", configuration={"semanticOverride": {}}),
        Namespace.semantic("policies", "/company/policies/", shared=True),
    ),
    compaction=CompactionConfig(
        token_threshold=100_000,
        target_ratio=0.5,
        protected_turns=2,
        max_tool_content_length=500,
        preview_above=1_500,
        hard_tool_content_length=100_000,
        summary_max_tokens=2_000,
        summarizer="model",
        exclude_tools=("search",),
        keep_media=True,
        recall_tool=False,
    ),
    hook=HookConfig(
        restore="messages",
        restore_max_tokens=2_000,
        retrieve=True,
        retrieve_timeout=1.2,
        retrieve_max_tokens=1_000,
        roles=("user",),
        strip_thinking=False,
        on_error="raise",
    ),
    writes=WriteConfig(
        flush="background",
        flush_interval_seconds=10,
        event_format="clean",
        queue_limit=1_000,
        breaker_failures=5,
        breaker_reset_seconds=60,
        redact=str.upper,
        metadata={"team": "support"},
    ),
    checkpoints=DynamoDBCheckpoints(table="agentmem-checkpoints", ttl_days=30, region="us-east-1"),
    boto_session=boto3.Session(),
    hierarchical_actor_ids=True,
)
config = config.replace(checkpoints=EventLogCheckpoints())
config = config.replace(checkpoints=InMemoryCheckpoints(), compaction=CompactionConfig(summarizer=BedrockModel()))
strategies: list[dict[str, Any]] = config.strategies()
client: MemoryClient = config.memory_client()
session: boto3.Session = config.boto_session()
config = ensure_memory(config, name="support_bot", description="Support.", event_expiry_days=30)
policy: dict[str, Any] = iam_policy(config, account_id="123456789012", setup=True, operate=True)
with code_interpreter("us-west-2", max_characters=20_000) as run_python:
    Agent(
        tools=[run_python],
        hooks=[ResilientTools(ToolPolicy(timeout=5, retry_on=(OSError,)), tools={"pay": ToolPolicy(attempts=1)})],
    )
stack: dict[str, Any] = cloudformation(config, name="support_bot", event_expiry_days=30, monitoring=False)

# Sessions ------------------------------------------------------------------------------------------------------------

actor: str = actor_id_for("ann@example.org")
memory: MemorySession = config.bind(
    actor_id=actor, session_id=new_session_id(actor, "chat"), variables={"tenant": "acme"}
)
namespace: str = memory.namespace("facts")
mark: Mark = memory.mark()
records: list[MemoryRecord] = memory.search("facts", "favourite drink")
first: tuple[str, float, str, str, datetime] = (
    records[0].text,
    records[0].score,
    records[0].namespace,
    records[0].record_id,
    records[0].created_at,
)
recalled: list[RecalledMessage] = memory.recall("booking reference", max_tokens=2_000)
why: tuple[str, ...] = memory.recall("booking reference", explain=True)[0].why
pin: Pin = memory.pin("The customer may never be called by phone.", agent_id="support")
pinned: tuple[Pin, ...] = memory.pins()
memory.unpin(pin)
memory.unpin(pin.pin_id)
pinned_text: str = f"{pin.text} {pin.at:%Y-%m-%d} {pin.by}"
told: tuple[str, str, str, datetime] = (recalled[0].text, recalled[0].role, recalled[0].event_id, recalled[0].at)
waited: list[dict[str, Any]] = memory.wait_for_memories("facts", "favourite drink", since=mark, max_wait=30)
changed_records: list[str] = []
record_stream = RecordStream(on_event=lambda event: changed_records.append(event.record_id))
arrived: list[RecordEvent] = record_stream.put('{"memoryStreamEvent": {}}')
waited = memory.wait_for_memories("facts", since=mark, stream=record_stream, poll_interval=30)

Agent(hooks=[memory.hook()])
Agent(session_manager=memory.session_manager())
with memory.session_manager() as opened:
    compacting: CompactingSessionManager = opened
    said: Message = compacting.without_summary({"role": "user", "content": [{"text": "Hello."}]})
    agent_of_it = Agent(session_manager=compacting)
    compacting.sync_agent(agent_of_it)
    compacting.append_message(said, agent_of_it)
    by_hand = SessionMessage(said, 2)
    written: dict[str, Any] | None = compacting.create_message(compacting.session_id, "default", by_hand)
    kept: SessionMessage | None = compacting.read_message(compacting.session_id, "default", 2)
    compacting.update_message(compacting.session_id, "default", by_hand)
    compacting.redact_latest_message(said, agent_of_it)
    waiting: int = compacting.pending_message_count() + compacting.pending_agent_state_count()
    lost: str | None = compacting.status.last_error
with memory.hook() as saving:
    hook: MemoryHook = saving
    unsaved: tuple[int, str | None] = (hook.status.dropped, hook.status.last_error)
Agent(memory_manager=MemoryManager(stores=memory.stores()))

# Many sessions -------------------------------------------------------------------------------------------------------


def make_agent(actor_id: str, session_id: str) -> Agent:
    """Make an agent of a session."""
    return Agent(session_manager=config.bind(actor_id, session_id).session_manager())


@contextmanager
def make_agent_and_clean_up(actor_id: str, session_id: str) -> Iterator[Agent]:
    """Make an agent of a session, and release something after it."""
    yield make_agent(actor_id, session_id)


agents = SessionAgents(make_agent)
agents = SessionAgents(make_agent_and_clean_up, max_sessions=20)
with agents.use(actor, new_session_id(actor)) as one:
    one("Hello.")
serving: tuple[list[tuple[str, str]], int] = (agents.sessions, agents.in_use)
agents.close(wait=5.0)

# The pieces alone ----------------------------------------------------------------------------------------------------

Agent(hooks=[MemoryHook(config)], state={"user_id": "user123", "session_id": "s-1"})
MemoryHook(memory_id="support_bot-a1b2c3d4e5", region="us-west-2")
manager: CompactingSessionManager = CompactingSessionManager(
    agentcore_memory_config=AgentCoreMemoryConfig(memory_id="m-a1b2c3d4e5", session_id="s-1", actor_id="ann"),
    region_name="us-west-2",
    token_threshold=100_000,
    protected_turns=2,
    max_tool_content_length=500,
    checkpoints=SqliteCheckpoints(path="checkpoints.db"),
    boto_session=boto3.Session(),
    boto_client_config=Config(read_timeout=5),
)
found: list[dict[str, Any]] = wait_for_memories(
    client,
    "support_bot-a1b2c3d4e5",
    "/users/user123/facts/",
    "favourite drink",
    60.0,
    5.0,
    top_k=3,
    since=datetime.now(UTC),
    min_count=1,
    until=lambda found: len(found) > 2,
    match="exact",
    raise_on_timeout=False,
    on_poll=lambda progress: None,
)
text: str = strip_thinking("<thinking>hm</thinking>Hello.")
thinking = ThinkingFilter()
piece: str = thinking.feed("<thin") + thinking.close()
calls = thinking.tool_calls

service = LocalMemory(":memory:", extraction_delay=0.0, extractor=None, embedder=None, clock=None)
embedded: boto3.Session = service.boto_session("us-west-2")
with service.serve(host="127.0.0.1", port=0, allowed_hosts=["memory.internal"]) as served:
    url: str = served.url


async def twins() -> None:
    """Call what awaits."""
    async with LocalMemory() as entered, entered.serve(port=0) as served:
        assert served.url
    made: MemoryConfig = await ensure_memory_async(config, "support_bot")
    bound = made.bind("ann", "s-1")
    since: Mark = await bound.mark_async(["facts"])
    searched: list[MemoryRecord] = await bound.search_async("facts", "drink")
    again: list[RecalledMessage] = await bound.recall_async("drink")
    new: list[dict[str, Any]] = await bound.wait_for_memories_async("facts", since=since)
    new += await wait_for_memories_async(client, "m-a1b2c3d4e5", namespace, max_wait=10)
    async with bound.session_manager() as sessions, bound.hook() as hook:
        await Agent(session_manager=sessions, hooks=[hook]).invoke_async("Hello.")
    async with agents.use("ann", new_session_id("ann")) as agent:
        pinned_later: Pin = await memory.pin_async("Prices with tax.")
    await memory.unpin_async(pinned_later)
    all_pins: tuple[Pin, ...] = await memory.pins_async()
    await agent.invoke_async("Hello.")
    await agents.close_async()
    assert searched, (again, all_pins)


# Streaming -----------------------------------------------------------------------------------------------------------


async def stream(agent: Agent, last_event_id: str | None) -> None:
    """Stream a turn, to a browser and from the wire."""
    async for event in stream_turn(agent, "Hello.", limits={"turns": 3}, cancel_seconds=2):
        told = describe(event)
        again: StreamEvent | None = event_from_dict(event.to_dict())
        frame: str = sse_encode(event, event_id="1")
        assert told, (again, frame)
    buffer = ResumeBuffer(keep_seconds=30, max_bytes=100_000, max_streams=100)
    events = agents.stream("ann", new_session_id("ann"), "Hello.")
    response = sse_response(events, buffer=buffer, last_event_id=last_event_id, owner="ann", heartbeat_seconds=5)
    status: int = response.status_code
    front_end = sse_response(ag_ui_events(stream_turn(agent, "Hello."), thread_id="t-1", run_id="r-1"))
    runtime = boto3.client("bedrock-agentcore")
    arn, session_id = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/a-1", new_session_id("ann")
    answer: list[StreamEvent] = list(invoke_stream(runtime, arn, session_id, "Hello.", qualifier="DEFAULT"))
    answer += [event async for event in invoke_stream_async(runtime, arn, session_id, {"prompt": "Hello."})]
    answer += list(parse_stream([b'{"text": "a"}'], text="incremental", max_line_bytes=1_000))

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"text": "a"}'

    answer += [event async for event in parse_stream_async(chunks())]
    await buffer.close()
    assert status, (front_end, answer, RECEIVE_JS.name)


def describe(event: StreamEvent) -> str:
    """Tell events apart by their type, which narrows them."""
    if event.type == "message":
        same: MessageEvent = event
        return same.content
    match event:
        case ToolUseEvent(tool_name, tool_input, tool_use_id, status):
            return f"{tool_name} {tool_input} {tool_use_id} {status}"
        case ToolResultEvent(tool_name, tool_result, tool_use_id, status):
            return f"{tool_name} {tool_result} {tool_use_id} {status}"
        case GuardrailEvent(source, action, assessments):
            return f"{source} {action} {len(assessments)}"
        case MetadataEvent(data):
            return str(data["memory"])
        case ErrorEvent(message, details):
            return f"{message} {details}"
        case DoneEvent():
            return event.type


# Errors --------------------------------------------------------------------------------------------------------------

try:
    memory.recall("anything")
except CheckpointConflictError as error:
    winner = error.winner
except MemoryWaitTimeout as error:
    seen: tuple[int, float, int, Exception | None] = (error.polls, error.elapsed, error.last_count, error.last_error)
except UnsentMessagesError as error:
    count: int = error.count
except CompactionError as error:
    largest: tuple[str, ...] = error.largest
except (ConfigurationError, IdentityError) as error:
    value_error: ValueError = error
except PinError as error:
    reason: AgentMemError = error
except MissingExtraError as error:
    import_error: ImportError = error
    extra: str | None = error.extra
except (HistoryUnavailableError, CheckpointStoreError, ExtractionFailedError, AgentMemError):
    raise

# Testing -------------------------------------------------------------------------------------------------------------


def test_what_is_said_is_remembered(
    agentmem_agent: Agent,
    agentmem_session: MemorySession,
    agentmem_model: ScriptedModel,
    agentmem_local: SteppedMemory,
    agentmem_dynamodb: LocalDynamoDB,
    settled_memories: SettledMemories,
) -> None:
    agentmem_model.add(
        "Noted.", ToolCall("weather", {"city": "Oslo"}), Reply("Hi", input_tokens=7), Overflow(), Throttle()
    )
    agentmem_agent("I have a dog named Rex.")
    extracted: int = agentmem_local.tick(timedelta(seconds=30)) + agentmem_local.tick(30) + agentmem_local.settle()
    records: list[MemoryRecord] = settled_memories("facts") + settled_memories(session=agentmem_session)
    checkpoints: DynamoDBCheckpoints = agentmem_dynamodb.checkpoints("checkpoints")
    tokens: int = agentmem_model.requests[-1].tokens
    pending: int = agentmem_local.pending
    now: datetime = agentmem_local.now
    assert extracted > pending
    assert records[0].created_at <= now
    assert checkpoints.table
    assert tokens
    with WaitingLine("facts") as line:
        agentmem_session.wait_for_memories("facts", on_poll=line)


def offline_model_and_conformance(store: CheckpointStore) -> None:
    Agent(model=OfflineModel(context_window_limit=50_000))("Where do I live?")
    Backend(open=lambda: store, days=30)
