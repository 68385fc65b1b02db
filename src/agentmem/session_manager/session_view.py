"""Shows a session as the model would see it, without an agent: to look at, to plan for, and to compact by hand.

Looking calls only what reads. Without an agent two things are not known and can be given: the tokens of the system
prompt and the tools, and the model's window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal

from agentmem.checkpoints.checkpoint import CheckpointKey, SeenEvents
from agentmem.checkpoints.open import open_store
from agentmem.checkpoints.restore import more_than, read_session
from agentmem.compaction.budget import Thresholds
from agentmem.compaction.compactor import Compaction, Compactor
from agentmem.compaction.pinned_messages import pinned_indices
from agentmem.compaction.summary.factory import summarizer_for
from agentmem.errors import CheckpointConflictError, ConfigurationError
from agentmem.events.reader import EventReader
from agentmem.messages.turns import turns_of
from agentmem.scope.address import SessionAddress
from agentmem.scope.identity import validate_actor_id, validate_session_id
from agentmem.session_manager.backfill import Backfill
from agentmem.session_manager.sdk_settings import truncation_settings
from agentmem.settings.sections import EventLogCheckpoints, InMemoryCheckpoints

if TYPE_CHECKING:
    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointStore
    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.compaction.policy import Limits
    from agentmem.compaction.summary.summarizer import Summarizer
    from agentmem.events.codec import LoggedMessage
    from agentmem.events.pins import Pin
    from agentmem.scope.scope import Configuration

DEFAULT_AGENT = "default"
"""The id Strands gives an agent that is given none."""

Part = Literal["pinned", "head", "shortened", "protected", "whole"]
"""Why a message is shown as it is: it is pinned; the user's own message of a turn that was partly folded; tool content
shortened; one of the protected turns; or older and not touched yet."""

Fate = Literal["kept", "shortened", "folded"]
"""What a compaction does with a message."""


@dataclass(frozen=True)
class ShownMessage:
    """One message as the model would be shown it.

    Attributes:
        message: The message, without the summary.
        part: Why it is shown this way.
        tokens: Its tokens, uncalibrated.
    """

    message: Message
    part: Part
    tokens: int


class SessionView:
    """What the model would be shown of a session if an agent were restored from it now.

    Attributes:
        messages: The messages, oldest first, the summary in the first one of the user.
        checkpoint: The current checkpoint, or None.
        unread: Whether there are older events that no checkpoint describes and that an agent would fold when it opens
            the session; they are not in ``messages``.
        limits: When a compaction is due and how far it goes.
        fixed_tokens: Tokens of the system prompt and the tools, as given.
    """

    def __init__(
        self,
        config: Configuration,
        actor_id: str,
        session_id: str,
        *,
        agent_id: str = DEFAULT_AGENT,
        fixed_tokens: int = 0,
        context_window: int | None = None,
    ) -> None:
        """Read the session; nothing is written.

        Args:
            config: Which memory, and how its sessions are compacted.
            actor_id: Whose session.
            session_id: Which session.
            agent_id: Of which agent, when it was given an id.
            fixed_tokens: Tokens of the system prompt and the tool specifications, which no log tells.
            context_window: The model's window in tokens, for ``token_threshold="auto"``.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The checkpoint could not be read.
            IdentityError: An id is malformed, or the session belongs to an agent of another one.
            ConfigurationError: There is no memory id, or the checkpoints are in another process's memory.
        """
        settings = config.compaction
        self.fixed_tokens = fixed_tokens
        self.limits: Limits = Thresholds(settings).limits(SimpleNamespace(context_window_limit=context_window))
        self._store, self._key = open_checkpoints(config, actor_id, session_id, agent_id)
        address = SessionAddress(config.memory_id, actor_id, session_id)
        self._reader = EventReader(config.data_plane(), address, agent_id)
        self._protected = settings.protected_turns
        self._settings = truncation_settings(settings)
        # Without an agent there is no model of its own to narrate.
        self._summarizer: Summarizer = summarizer_for(settings, None)
        self._compactor = Compactor(self._settings, self._summarizer, recall_tool=settings.recall_tool)
        self._restored: RestoredSession
        self.messages: list[Message]
        self._read()

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The current checkpoint, or None."""
        return self._compactor.checkpoint

    @property
    def is_empty(self) -> bool:
        """Whether the session has no events."""
        return self._restored.newest_event_id is None

    @property
    def unread(self) -> bool:
        """Whether an agent would first fold older events that are not read here."""
        return self._restored.unread is not None

    @property
    def summary_tokens(self) -> int:
        """Tokens of the summary the model would be shown, with its fence, uncalibrated."""
        plain = [self._compactor.summaries.without(message) for message in self.messages]
        return self._compactor.count(self.messages) - self._compactor.count(plain)

    @property
    def tokens(self) -> int:
        """Tokens of the whole request, calibrated by what the model last reported."""
        return self._compactor.calibration.estimate(self._fixed + self._compactor.count(self.messages))

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The statements that are pinned, oldest first."""
        return self._compactor.board.pins.statements

    @property
    def pinned_tokens(self) -> int:
        """Tokens of the pinned statements with their fence, uncalibrated."""
        return self._compactor.pinned_tokens

    @property
    def _fixed(self) -> int:
        return self.fixed_tokens + self.pinned_tokens

    def shown(self) -> list[ShownMessage]:
        """Return each message with why it is shown as it is, oldest first."""
        boundary = None if self.checkpoint is None else self.checkpoint.boundary
        protected = turns_of(self.messages)[-self._protected :]
        start = protected[0].start if protected else 0
        pinned = pinned_indices(self.messages)
        found = []
        for index, (logged, message) in enumerate(zip(self._restored.messages, self.messages, strict=True)):
            plain = self._compactor.summaries.without(message)
            part: Part = "protected" if index >= start else "whole"
            if index in pinned:
                part = "pinned"
            elif boundary is not None and logged.position < boundary:
                part = "head"
            elif plain["content"] != logged.message["content"]:
                part = "shortened"
            found.append(ShownMessage(plain, part, self._compactor.count([plain])))
        return found

    @property
    def stored(self) -> tuple[LoggedMessage, ...]:
        """The same messages as they stand in the log, in the same order."""
        return self._restored.messages

    def fates(self) -> list[Fate]:
        """Return what `compact` would do with each message, in the order of ``messages``."""
        planned, plain = self._compactor.plan(self.messages, self.limits, fixed_tokens=self._fixed, force=True)
        shown = dict(zip(planned.kept, planned.messages, strict=True))
        found: dict[str, Fate] = {}
        for index, message in enumerate(plain):
            kept: Fate = "kept" if shown.get(index) is message else "shortened"
            found[message["tracking_id"]] = kept if index in shown else "folded"
        return [found.get(message["tracking_id"], "kept") for message in self.messages]

    def plan(self) -> Compaction | None:
        """Plan a compaction, whatever the size, without doing it.

        Returns:
            What it would do, with room left for a full summary; None when nothing can be made smaller.
        """
        planned, plain = self._compactor.plan(self.messages, self.limits, fixed_tokens=self._fixed, force=True)
        pairs = zip(planned.kept, planned.messages, strict=True)
        shortened = sum(1 for index, message in pairs if message is not plain[index])
        if not planned.folded and not shortened:
            return None
        estimate = self._compactor.calibration.estimate
        before, after = estimate(planned.tokens_before), estimate(planned.tokens_after)
        return Compaction("manual", before, after, len(planned.folded), shortened, planned.fits)

    def compact(self) -> Compaction | None:
        """Compact, whatever the size, and save the checkpoint. No agent may have the session open.

        Returns:
            What was done, or None when nothing can be made smaller.

        Raises:
            CheckpointConflictError: Another process compacted the session in the meantime; its checkpoint stands.
            CheckpointStoreError: The checkpoint could not be saved.
        """
        if self._restored.unread is not None:
            Backfill(
                self._reader, self._store, self._key, self._settings, self._summarizer, self.limits.summary_tokens
            ).fold(self._restored)
            self._read()
        shown = self._compactor.compact(
            self.messages, self.limits, fixed_tokens=self._fixed, trigger="manual", force=True
        )
        draft = self._compactor.draft
        if shown is None or draft is None:
            return None
        positions = {one.message["tracking_id"]: one.position for one in self._restored.messages}
        checkpoint = draft.placed(positions)
        if checkpoint is None:
            raise CheckpointConflictError("the checkpoint names messages that are not in the log; read it again")
        seen = self._restored.seen
        checkpoint = replace(
            checkpoint,
            seen=SeenEvents.before(checkpoint.boundary, seen.event_ids, seen.since),
            pins=self._compactor.board.pins,
        )
        self._store.save(self._key, checkpoint)
        self._compactor.saved(checkpoint, draft)
        done = self._compactor.last
        self._read()
        return done

    def _read(self) -> None:
        enough = more_than(self.limits.threshold, self._compactor.count)
        self._restored = read_session(self._reader, self._store, self._key, enough=enough)
        self.messages = self._compactor.show(self._restored)


def open_checkpoints(
    config: Configuration, actor_id: str, session_id: str, agent_id: str = DEFAULT_AGENT
) -> tuple[CheckpointStore, CheckpointKey]:
    """Open a session's checkpoints from outside the process that writes them.

    Args:
        config: Which memory, and where its checkpoints are.
        actor_id: Whose session.
        session_id: Which session.
        agent_id: Of which agent.

    Returns:
        The store, and whose checkpoints to ask it for.

    Raises:
        ConfigurationError: There is no memory id, or the checkpoints are in another process's memory.
        IdentityError: An id is malformed.
    """
    if isinstance(config.checkpoints, InMemoryCheckpoints):
        raise ConfigurationError(
            "checkpoints: the configuration keeps them in the agent's own process, where no other can look. Keep "
            "them in EventLogCheckpoints(), DynamoDBCheckpoints(table=...) or SqliteCheckpoints(path=...)."
        )
    if not config.memory_id:
        raise ConfigurationError("memory_id is missing. Give it in the file, or set BEDROCK_AGENTCORE_MEMORY_ID.")
    validate_actor_id(actor_id, hierarchical=config.hierarchical_actor_ids)
    validate_session_id(session_id)
    store = open_store(
        config.checkpoints,
        boto_session=config.boto_session(),
        region=config.region,
        data_client=config.data_plane() if isinstance(config.checkpoints, EventLogCheckpoints) else None,
    )
    return store, CheckpointKey(config.memory_id, actor_id, session_id, agent_id)
