"""One session that processes share, what was written to it, and what must be true whatever they do.

What a process has written is known from its agent; what is stored is read from the log and the store directly.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from crashing import Crash, Fault, Line, Process

from agentmem.checkpoints.checkpoint import CheckpointKey
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.checkpoints.summary import Summary
from agentmem.errors import CheckpointStoreError, HistoryUnavailableError
from agentmem.messages.truncation import handle_of

SUMMARY = "<conversation_summary "
_HANDLE = re.compile(r'recall_session\(handle="([0-9a-f]{12})\.(\d+)"\) returns')


@dataclass(frozen=True)
class Written:
    """A message an agent appended: by which writer, as its how-manieth, and what."""

    writer: int
    number: int
    message: Any


@dataclass(frozen=True)
class Stored:
    """A message as the log holds it, and where: time in milliseconds, and item."""

    message: Any
    event_id: str
    item: int

    @property
    def name(self) -> str:
        return str(self.message["tracking_id"])

    @property
    def place(self) -> tuple[int, int]:
        return int(self.event_id.split("#")[0]), self.item


class Ledger:
    """A summarizer that keeps book of what was folded, so that it can be held against the log."""

    def summarize(self, previous: Summary | None, folded: Any, **_: Any) -> Summary:
        before = [] if previous is None else previous.extra.get("folded", [])
        names = [message["tracking_id"] for message in folded]
        return replace(previous or Summary(), extra={"folded": [*before, *names]})


class SharedSession:
    """One session.

    Attributes:
        written: Every message any process appended, by tracking id.
        acknowledged: Tracking ids of those that a process was told are stored.
        forms: Every form but its own in which a message was shown, by tracking id.
    """

    def __init__(self, memory_id: str, session_id: str, clean: Any, make_store: Any, **settings: Any) -> None:
        """Begin.

        Args:
            memory_id: The memory resource.
            session_id: A session nobody has used.
            clean: A data plane client without faults.
            make_store: Makes a checkpoint store, or None for the event log.
            settings: Settings of every session manager.
        """
        self.memory_id, self.session_id, self.clean = memory_id, session_id, clean
        self.make_store = make_store
        self.settings = settings
        self.key = CheckpointKey(memory_id, "ann", session_id, "default")
        self.written: dict[str, Written] = {}
        self.acknowledged: set[str] = set()
        self.forms: dict[str, list[Any]] = {}
        self.names = itertools.count()
        self.writers = itertools.count()
        self._last: tuple[int, tuple[int, int]] = (0, (-1, 0))

    def note(self, writer: int, number: int, message: Any) -> None:
        """Remember what a process appended."""
        self.written[message["tracking_id"]] = Written(writer, number, message)

    def open(self, line: Line, fault: Fault | None = None) -> Process:
        """Open the session in a new process; when that fails it is tried again without the fault."""
        line.begin(fault)
        try:
            process = Process(self, line)
        except (Crash, HistoryUnavailableError, CheckpointStoreError):
            assert line.failed
            line.down = frozenset()
            line.begin(None)
            process = Process(self, line)
        line.fault = None
        return process

    def acknowledge(self, process: Process) -> None:
        """Take note of what a process was told is stored."""
        if process.has_everything_stored:
            self.acknowledged |= {name for name, one in self.written.items() if one.writer == process.number}

    def store(self) -> Any:
        """Return the checkpoint store, without faults."""
        return self.make_store() if self.make_store else EventLogCheckpointStore(self.clean)

    def log(self) -> list[Stored]:
        """Read the log, oldest first."""
        pages = self.clean.get_paginator("list_events").paginate(
            memoryId=self.memory_id, actorId="ann", sessionId=self.session_id, includePayloads=True
        )
        return [
            Stored(json.loads(payload["conversational"]["content"]["text"])["message"], event["eventId"], item)
            for event in reversed([event for page in pages for event in page["events"]])
            for item, payload in enumerate(event["payload"])
            if "conversational" in payload
        ]

    # ---- what must be true

    def check_log(self) -> list[Stored]:
        """Nothing acknowledged is missing, nothing is there twice, each writer's messages are a prefix of its own."""
        log = self.log()
        names = [stored.name for stored in log]
        assert len(set(names)) == len(names), "a message is stored twice"
        assert not (self.acknowledged - set(names)), "an acknowledged message is not in the log"
        by_writer: dict[int, list[int]] = {}
        for stored in log:
            written = self.written[stored.name]
            assert stored.message["content"] == written.message["content"]
            by_writer.setdefault(written.writer, []).append(written.number)
        for numbers in by_writer.values():
            assert numbers == list(range(len(numbers))), "a writer's messages are out of order or have a gap"
        return log

    def check_checkpoint(self, log: list[Stored]) -> None:
        """The current checkpoint is no older than it was, and accounts for everything before its boundary, once."""
        checkpoint = self.store().load(self.key)
        if checkpoint is None:
            assert self._last[0] == 0, "the checkpoint is gone"
            return
        now = checkpoint.version, _place(checkpoint.boundary)
        assert now[0] >= self._last[0], "the version moved back"
        assert now[1] >= self._last[1], "the boundary moved back"
        self._last = now
        head = {_place(position) for position in checkpoint.head}
        folded = checkpoint.summary.extra.get("folded", [])
        assert len(set(folded)) == len(folded), "a message was folded twice"
        assert checkpoint.folded_messages == len(folded)
        before = {stored.name for stored in log if stored.place < now[1] and stored.place not in head}
        assert set(folded) == before, "the summary does not tell of what lies before the boundary"

    def check_history(self, log: list[Stored]) -> None:
        """Versions follow one another, the boundary never moved back, and every index entry leads to its original."""
        history = list(self.store().history(self.key))
        versions = [checkpoint.version for checkpoint in history]
        assert versions == list(range(len(history), 0, -1)), f"versions are {versions}"
        boundaries = [_place(checkpoint.boundary) for checkpoint in reversed(history)]
        assert boundaries == sorted(boundaries), "a boundary moved back"
        at = {(stored.event_id, stored.item): stored.message for stored in log}
        for checkpoint in history:
            for entry in checkpoint.index:
                message = at[entry.position.event_id, entry.position.item]
                assert handle_of(message["tracking_id"]) == entry.handle

    def check_forms(self, messages: Any) -> None:
        """A message is shown as it is or, once it is shortened, always in the same form."""
        for message in messages:
            written = self.written.get(message["tracking_id"])
            shown = plain(message)
            if written is None or shown == written.message["content"]:
                continue
            forms = self.forms.setdefault(message["tracking_id"], [])
            if shown not in forms:
                forms.append(shown)
            assert len(forms) == 1, f"a shortened message changed again: {forms}"

    def check_shown(self, process: Process) -> None:
        """Each message is shown once, in the order it was written, and what was shortened says where it is."""
        names = [message["tracking_id"] for message in process.agent.messages]
        assert len(set(names)) == len(names), "a message is shown twice"
        by_writer: dict[int, list[int]] = {}
        for name in names:
            by_writer.setdefault(self.written[name].writer, []).append(self.written[name].number)
        for numbers in by_writer.values():
            assert numbers == sorted(numbers), "messages are shown out of order"
        self.check_forms(process.agent.messages)
        for message in process.agent.messages:
            original = self.written[message["tracking_id"]].message["content"]
            for handle, number in _HANDLE.findall(json.dumps(plain(message)).replace('\\"', '"')):
                assert handle == handle_of(message["tracking_id"]), "a handle of another message"
                block = [one for one in original if "reasoningContent" not in one][int(number)]
                found = process.manager.recall.by_handle(f"{handle}.{number}")
                assert found is not None, f"the shown handle {handle}.{number} leads nowhere"
                assert all(text in found.text for text in texts({"content": [block]}))

    def check_recall(self, process: Process, log: list[Stored], most: int) -> None:
        """What a process does not show, or not whole, comes back word for word."""
        shown = {message["tracking_id"]: plain(message) for message in process.agent.messages}
        uses = {
            block["toolUse"]["toolUseId"]: block["toolUse"]["name"]
            for stored in log
            for block in stored.message["content"]
            if "toolUse" in block
        }
        hidden = [
            stored.message
            for stored in log
            if shown.get(stored.name) != stored.message["content"] and not is_recall(stored.message, uses)
        ]
        some = hidden[:: max(len(hidden) // most, 1)]
        for message in some:
            found = process.manager.recall.by_handle(handle_of(message["tracking_id"]))
            assert found is not None, f"message {message} cannot be recalled by its handle"
            assert not [text for text in texts(message) if text not in found.text]
        for message in some[-1:]:
            name = re.search(r"name\d+x", " ".join(texts(message)))
            if name:
                originals = " ".join(one.text for one in process.manager.recall.by_words(name[0], max_tokens=20_000))
                # A passage begins and ends without blank space.
                assert not [text for text in texts(message) if text.strip() not in originals], f"{name[0]} is not found"


def plain(message: Any) -> list[Any]:
    """Return the content without the summary."""
    return [block for block in message["content"] if not block.get("text", "").startswith(SUMMARY)]


def texts(message: Any) -> list[str]:
    """Return what a message says: its texts, tool results, and the strings of tool inputs."""
    found: list[str] = []
    for block in message["content"]:
        if "text" in block:
            found.append(block["text"])
        elif "toolUse" in block:
            found += [value for value in block["toolUse"]["input"].values() if isinstance(value, str)]
        elif "toolResult" in block:
            found += [item["text"] for item in block["toolResult"]["content"] if "text" in item]
    return found


def is_recall(message: Any, uses: dict[str, str]) -> bool:
    """Whether a message is a recall or its answer, which is never indexed."""
    traffic = [block.get("toolUse") or block.get("toolResult") for block in message["content"]]
    return bool(traffic) and all(one and uses.get(one["toolUseId"]) == "recall_session" for one in traffic)


def _place(position: Any) -> tuple[int, int]:
    return int(position.event_id.split("#")[0]), position.item
