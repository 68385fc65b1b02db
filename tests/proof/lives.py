"""What the package does with a service, as short lives that can be struck at any call and then held to what they said.

A life is lived over a wire on which one call goes wrong. It may do again what an error told it to do again, as a user
would, and writes down what it was told is done. Afterwards, over a wire on which nothing goes wrong, `problems` says
what of it is not so. A life that was killed is looked at in the same way, and then lived once more.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from strands import Agent, tool

from agentmem import (
    AgentMemError,
    CompactionConfig,
    DynamoDBCheckpoints,
    EventLogCheckpoints,
    HookConfig,
    InMemoryCheckpoints,
    MemoryConfig,
    Namespace,
    SqliteCheckpoints,
    WriteConfig,
    ensure_memory,
    wait_for_memories,
)
from agentmem.checkpoints.checkpoint import CheckpointKey
from agentmem.checkpoints.open import open_store
from agentmem.events.reader import EventReader
from agentmem.operations.forgetting import Forgetting
from agentmem.operations.importing import Import
from agentmem.operations.transfer import export_lines
from agentmem.scope.address import SessionAddress
from agentmem.testing import Reply, ScriptedModel, ToolCall
from converse import validate_request

if TYPE_CHECKING:
    from pathlib import Path

FACTS = Namespace.semantic("facts", "/users/{actorId}/facts/")
FILLER = "The sky over the harbour was grey and nobody had brought a coat." * 12
SAID = (FILLER[:30], "the code of locker", "Let me see ", "I live in Porto")
"""Parts of what is said, none of which belongs in a log, an error or a `repr`."""
SESSION = "s-1"
ATTEMPTS = 3
OF_A_SERVICE = (AgentMemError, ClientError, BotoCoreError, ResponseParserError)
"""What an operation may raise whose docstring says that it lets the service's own errors through."""


@dataclass(frozen=True)
class Place:
    """Where a life is lived.

    Attributes:
        memory_id: A memory with one strategy.
        second_memory_id: Another one, for copies.
        actor_id: An actor nobody else has.
        folder: A folder nobody else has.
        table: A DynamoDB table.
    """

    memory_id: str
    second_memory_id: str
    actor_id: str
    folder: Path
    table: str

    def config(self, wire: Any, **settings: Any) -> MemoryConfig:
        """Return a configuration whose every call goes over a wire."""
        return MemoryConfig(
            memory_id=self.memory_id, region=wire.region_name, namespaces=(FACTS,), boto_session=wire, **settings
        )


@dataclass
class Notes:
    """What a life was told, in a file that outlives it.

    Attributes:
        path: The file.
        problems: What broke while it was lived.
    """

    path: Path
    problems: list[str] = field(default_factory=list)

    def write(self, kind: str, *said: str) -> None:
        """Write down what is done, so that a kill does not take it back."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([kind, *said]) + "\n")
            file.flush()

    def problem(self, text: str) -> None:
        """Write down what must not be."""
        self.problems.append(text)
        self.write("problem", text)

    def of(self, kind: str) -> list[str]:
        """Return what was written down of a kind."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        return [said for line in lines if line[0] == kind for said in line[1:]]


@tool
def look(query: str) -> str:
    """Look something up.

    Args:
        query: What.
    """
    return f"{query} is blue. {FILLER}"


@dataclass(frozen=True)
class Talk:
    """Two processes with three turns each, of an agent with a session manager, a hook, or both."""

    who: str = "manager"
    store: str = "event log"
    flush: str = "turn"
    outbox: bool = False
    turns: ClassVar[int] = 3

    @property
    def name(self) -> str:
        """How it is called in the table."""
        store = "" if self.who == "hook" else f", checkpoints: {self.store}"
        return f"{self.who}, flush={self.flush}{store}{', outbox' if self.outbox else ''}"

    def prepare(self, place: Place, wire: Any) -> None:
        """Nothing is there before."""

    def _config(self, place: Place, wire: Any) -> MemoryConfig:
        stores = {
            "event log": EventLogCheckpoints(),
            "DynamoDB": DynamoDBCheckpoints(table=place.table),
            "SQLite": SqliteCheckpoints(path=place.folder / "checkpoints.db"),
            "in memory": InMemoryCheckpoints(),
        }
        return place.config(
            wire,
            checkpoints=stores[self.store],
            compaction=CompactionConfig(token_threshold=1_500, protected_turns=1, encoder=None),
            hook=HookConfig(retrieve=self.who != "hook alone", retrieve_timeout=20, restore_max_tokens=50_000),
            writes=WriteConfig(
                flush=self.flush, outbox=place.folder / "box.db" if self.outbox else None, breaker_failures=1_000
            ),
        )

    def live(self, place: Place, wire: Any, notes: Notes) -> None:
        """Talk; what goes wrong is told by the holders' own errors, and answers come whatever happens."""
        config = self._config(place, wire)
        for process in range(2):
            bound = config.bind(place.actor_id, SESSION)
            opened = self._opened(bound, notes)
            if opened is None:
                return
            holders, agent = opened
            for turn in range(self.turns):
                self._turn(agent, holders, f"{process}{turn}", notes)
            _closed(holders, notes)

    def _opened(self, bound: Any, notes: Notes) -> tuple[list[Any], Agent] | None:
        for _ in range(ATTEMPTS):
            try:
                hook = bound.hook() if "hook" in self.who else None
                manager = bound.session_manager() if "manager" in self.who else None
                agent = Agent(
                    model=ScriptedModel(),
                    hooks=[] if hook is None else [hook],
                    tools=[look],
                    callback_handler=None,
                    session_manager=manager,
                )
            except AgentMemError:
                continue  # it says that the history could not be read; nobody is told that there is none
            except Exception as error:  # noqa: BLE001 - a raw error is what is looked for
                notes.problem(f"opening raised {type(error).__name__}: {error}")
                return None
            holders = [one for one in (manager, hook) if one is not None]
            if notes.of("stored") and manager is not None and not agent.messages:
                notes.problem("opened without the history, and no error said so")
            if notes.of("stored") and manager is None and not agent.system_prompt and not hook.status.last_error:
                notes.problem("opened without the history, and the status does not say so")
            return holders, agent
        notes.problem(f"not opened in {ATTEMPTS} attempts, although only one call went wrong")
        return None

    def _turn(self, agent: Agent, holders: list[Any], name: str, notes: Notes) -> None:
        asked, replied = f"Question {name}: the code of locker L{name} is Z{name}7. {FILLER}", f"Reply {name}."
        agent.model = ScriptedModel([Reply(f"Let me see {name}.", [ToolCall("look", {"query": f"L{name}"})]), replied])
        notes.write("said", asked, replied)
        try:
            answer = str(agent(asked))
        except Exception as error:  # noqa: BLE001 - a turn must be answered whatever the service does
            notes.problem(f"turn {name} raised {type(error).__name__}: {error}")
            return
        if answer != f"{replied}\n":
            notes.problem(f"turn {name} was answered {answer!r}")
        notes.write("answered", asked, replied)
        for request in agent.model.requests:
            with _told(notes, "the request is not valid"):
                validate_request(request.messages, request.system_content, request.tools)
        if all(one.status.pending == 0 and one.status.dropped == 0 for one in holders):
            stored = set(notes.of("stored"))
            notes.write("stored", *(text for text in notes.of("said") if text not in stored))

    def problems(self, place: Place, wire: Any, notes: Notes) -> list[str]:
        """Hold the log, the next agent and the checkpoints to what was said to be stored."""
        found: list[str] = []
        config = self._config(place, wire)
        bound = config.bind(place.actor_id, SESSION)
        opened = self._opened(bound, notes)  # with an outbox, what the dead process left in it is sent now
        if opened is None:
            return [*notes.of("problem"), "the session cannot be opened afterwards"]
        holders, agent = opened
        reader = EventReader(bound.client, SessionAddress(place.memory_id, place.actor_id, SESSION))
        events = [event for page in reader.pages() for event in page][::-1]
        logged = [
            block["text"]
            for event in events
            for one in event.messages
            for block in one.message["content"]
            if block.get("text", "").startswith(("Question", "Reply"))
        ]
        stored = notes.of("answered" if self.outbox else "stored")  # with an outbox, a turn that ended is kept
        found += [f"lost: {text[:20]}" for text in stored if text not in logged]
        found += [f"stored twice: {text[:20]}" for text in set(logged) if logged.count(text) > 1]
        found += ["out of order"] * (logged != [text for text in notes.of("said") if text in logged])
        found += self._unseen(stored, holders, agent)
        shown = [repr(one) for one in (config, bound, *holders, *(holder.status for holder in holders))]
        found += ["a text in a repr"] * any(text in one for text in SAID for one in shown)
        if "manager" in self.who:
            found += _checkpoint_problems(bound, config, place)
        self._turn(agent, holders, "99", notes)
        _closed(holders, notes)
        return [*notes.of("problem"), *found]

    def _unseen(self, stored: list[str], holders: list[Any], agent: Agent) -> list[str]:
        if "manager" not in self.who:
            shown = str(agent.system_prompt)
            return [f"not shown: {text}" for text in stored if text.startswith("Reply") and text not in shown]
        shown = json.dumps(agent.messages)
        gone = [text for text in stored if text.startswith("Question") and text.split(".")[0] not in shown]
        missing = []
        for text in gone:
            code = text.split(".")[0].rsplit(" ", 1)[1]
            locker = text.split("locker ")[1].split()[0]
            found = holders[0].recall.by_words(f"What is the code of locker {locker}?")
            if not any(code in one.text for one in found):
                missing.append(f"neither shown nor recalled: {text[:20]}")
        return missing


def _checkpoint_problems(bound: Any, config: MemoryConfig, place: Place) -> list[str]:
    if config.checkpoints.kind == "memory":
        return []
    store = open_store(
        config.checkpoints, boto_session=config.boto_session(), region=config.region, data_client=bound.client
    )
    key = CheckpointKey(place.memory_id, place.actor_id, SESSION, "default")
    history = list(store.history(key))[::-1]
    versions = [one.version for one in history]
    boundaries = [one.boundary for one in history]
    found = ["checkpoint versions do not rise"] * (versions != sorted(set(versions)))
    return found + ["the boundary went back"] * any(after < before for before, after in itertools.pairwise(boundaries))


def _closed(holders: list[Any], notes: Notes) -> None:
    for holder in holders:
        for attempt in range(ATTEMPTS):
            try:
                holder.close()
            except AgentMemError as error:
                if attempt == ATTEMPTS - 1:
                    notes.problem(f"not closed: {error}")
                continue
            except Exception as error:  # noqa: BLE001 - a raw error is what is looked for
                notes.problem(f"closing raised {type(error).__name__}: {error}")
            break
    if all(one.status.pending == 0 and one.status.dropped == 0 for one in holders):
        stored = set(notes.of("stored"))
        notes.write("stored", *(text for text in notes.of("said") if text not in stored))


@contextlib.contextmanager
def _told(notes: Notes, what: str) -> Any:
    try:
        yield
    except AssertionError as error:
        notes.problem(f"{what}: {error}")


def _again(work: Any, notes: Notes, what: str) -> Any:
    """Do something again while it fails with an error that it may raise."""
    for _ in range(ATTEMPTS):
        try:
            return work()
        except OF_A_SERVICE:
            continue
        except Exception as error:  # noqa: BLE001 - a raw error is what is looked for
            notes.problem(f"{what} raised {type(error).__name__}: {error}")
            return None
    notes.problem(f"{what} failed {ATTEMPTS} times, although only one call went wrong")
    return None


def _say(config: MemoryConfig, actor_id: str, count: int) -> None:
    for number in range(count):
        config.data_plane().create_event(
            memoryId=config.memory_id,
            actorId=actor_id,
            sessionId=SESSION,
            eventTimestamp=1_760_000_000 + number,
            payload=[
                {"conversational": {"role": "USER", "content": {"text": f"I live in Porto, in house number {number}."}}}
            ],
        )


def _leave(config: MemoryConfig, actor_id: str, count: int) -> None:
    """Say something and wait for its records."""
    _say(config, actor_id, count)
    namespace = FACTS.resolve(actor_id, SESSION)
    wait_for_memories(config.data_plane(), config.memory_id, namespace, max_wait=10, poll_interval=0.05)


def _all_texts(config: MemoryConfig, actor_id: str) -> list[str]:
    pages = config.data_plane().get_paginator("list_events")
    found = pages.paginate(memoryId=config.memory_id, actorId=actor_id, sessionId=SESSION, includePayloads=True)
    items = [item for page in found for event in page["events"] for item in event["payload"]]
    return sorted(item["conversational"]["content"]["text"] for item in items)


@dataclass(frozen=True)
class Waiting:
    """A wait for the records of a few events."""

    name: ClassVar[str] = "wait_for_memories"

    def prepare(self, place: Place, wire: Any) -> None:
        """Say what there will be records of."""
        _say(place.config(wire), place.actor_id, 2)

    def live(self, place: Place, wire: Any, notes: Notes) -> None:
        """Wait."""
        client = place.config(wire).data_plane()
        namespace = FACTS.resolve(place.actor_id, SESSION)

        def wait() -> Any:
            return wait_for_memories(client, place.memory_id, namespace, max_wait=10, poll_interval=0.05)

        records = _again(wait, notes, "waiting")
        if records is not None:
            notes.write("found", str(len(records)))

    def problems(self, place: Place, wire: Any, notes: Notes) -> list[str]:
        """What is there is found."""
        if not notes.of("found"):
            self.live(place, wire, notes)
        return [*notes.of("problem"), *(["nothing was found"] * (not notes.of("found") or "0" in notes.of("found")))]


@dataclass(frozen=True)
class Ensuring:
    """A memory that is made when it is missing."""

    name: ClassVar[str] = "ensure_memory"

    def prepare(self, place: Place, wire: Any) -> None:
        """Nothing is there before."""

    def _name(self, place: Place) -> str:
        return f"made_{place.actor_id}"

    def live(self, place: Place, wire: Any, notes: Notes) -> None:
        """Make it."""
        config = MemoryConfig(region=wire.region_name, namespaces=(FACTS,), boto_session=wire)
        made = _again(
            lambda: ensure_memory(config, self._name(place), max_wait=10, sleep=lambda _seconds: None),
            notes,
            "ensure_memory",
        )
        if made is not None:
            notes.write("made", made.memory_id)

    def problems(self, place: Place, wire: Any, notes: Notes) -> list[str]:
        """There is one, and it is the one that was told."""
        if not notes.of("made"):
            self.live(place, wire, notes)
        pages = place.config(wire).control_plane().get_paginator("list_memories").paginate()
        there = [one["id"] for page in pages for one in page["memories"] if one["id"].startswith(self._name(place))]
        return [*notes.of("problem"), *([f"{len(there)} memories were made"] * (there != notes.of("made")[-1:]))]


@dataclass(frozen=True)
class Forgetting_:  # noqa: N801 - the package has the plain name
    """A person whose traces are deleted."""

    name: ClassVar[str] = "forget"

    def prepare(self, place: Place, wire: Any) -> None:
        """Leave traces, of this person and of another one."""
        config = place.config(wire)
        for actor in (place.actor_id, f"{place.actor_id}-other"):
            _leave(config, actor, 3)

    def live(self, place: Place, wire: Any, notes: Notes) -> None:
        """Forget."""

        def forget() -> bool:
            forgetting = Forgetting(place.config(wire), place.actor_id)
            forgetting.forget(forgetting.find())
            return True

        if _again(forget, notes, "forgetting"):
            notes.write("forgotten", "yes")

    def problems(self, place: Place, wire: Any, notes: Notes) -> list[str]:
        """Nothing is left of the one, and everything of the other."""
        if not notes.of("forgotten"):
            self.live(place, wire, notes)
        config = place.config(wire)
        found = []
        if Forgetting(config, place.actor_id).find().to_delete or _all_texts(config, place.actor_id):
            found.append("something is left")
        if len(_all_texts(config, f"{place.actor_id}-other")) != 3:
            found.append("something of another person is gone")
        return [*notes.of("problem"), *found]


@dataclass(frozen=True)
class Copying:
    """A person whose data is exported and imported into another memory."""

    name: ClassVar[str] = "export and import"

    def prepare(self, place: Place, wire: Any) -> None:
        """Leave something to copy."""
        config = place.config(wire)
        _leave(config, place.actor_id, 4)

    def live(self, place: Place, wire: Any, notes: Notes) -> None:
        """Copy, and go on where an error interrupted it."""
        source = place.config(wire)
        target = source.replace(memory_id=place.second_memory_id)
        lines = _again(lambda: list(export_lines(source, actor_id=place.actor_id)), notes, "exporting")
        if lines is None:
            return
        noted = place.folder / "progress.jsonl"

        def write() -> bool:
            done = noted.read_text(encoding="utf-8").splitlines(keepends=True) if noted.exists() else []
            with noted.open("a", encoding="utf-8") as progress:
                Import(target, progress, done).run([json.dumps(line) + "\n" for line in lines])
            return True

        if _again(write, notes, "importing"):
            notes.write("copied", "yes")

    def problems(self, place: Place, wire: Any, notes: Notes) -> list[str]:
        """The copy holds everything, once."""
        if not notes.of("copied"):
            self.live(place, wire, notes)
        source = place.config(wire)
        target = source.replace(memory_id=place.second_memory_id)
        there, here = (_all_texts(config, place.actor_id) for config in (target, source))
        return [*notes.of("problem"), *([f"{len(there)} texts in the copy of {len(here)}"] * (there != here))]


TALKS = [
    *(Talk("manager", store, flush) for store in ("event log", "DynamoDB", "SQLite", "in memory")
      for flush in ("turn", "message", "background")),
    *(Talk("manager", store, "turn", outbox=True) for store in ("event log", "DynamoDB", "SQLite")),
    *(Talk("hook", flush=flush) for flush in ("turn", "message", "background")),
    Talk("hook", outbox=True),
    Talk("manager and hook"),
    Talk("manager and hook", "DynamoDB"),
]  # fmt: skip
LIVES = {one.name: one for one in (*TALKS, Waiting(), Ensuring(), Forgetting_(), Copying())}
"""All lives, by the name they have in the table."""
