"""The part of a long session's log that no checkpoint describes, looked through a bounded step at a time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agentmem.compaction.first_opening import UNREAD_NOTE, index_entry
from agentmem.compaction.truncation import names_of_tools
from agentmem.compaction.turns import without_recall
from agentmem.events.codec import LoggedMessage
from agentmem.events.reader import in_order

if TYPE_CHECKING:
    from datetime import datetime

    from agentmem.compaction.checkpoint import IndexEntry
    from agentmem.compaction.restore import RestoredSession
    from agentmem.events.position import Position
    from agentmem.events.reader import EventReader, Page

__all__ = ["PAGES_A_STEP", "UnreadPast"]

PAGES_A_STEP = 20
"""Pages of 100 events that one recall reads at the most of a past that nobody has indexed."""

_log = logging.getLogger(__name__)


class UnreadPast:
    """What lies before the events that an opening of a long session read; there is none in most sessions.

    Attributes:
        entries: The messages found in it so far.
    """

    def __init__(self, reader: EventReader) -> None:
        """Look through a reader; nothing is read before it is asked for."""
        self._reader = reader
        self._token: str | None = None
        self._at_end = False
        self.entries: list[IndexEntry] = []

    def is_there(self, session: RestoredSession) -> bool:
        """Whether a session has such a part."""
        if session.checkpoint is None:
            return session.unread is not None
        return UNREAD_NOTE in session.checkpoint.summary.notes

    def look_further(self, session: RestoredSession, *, older_than: Position | None) -> datetime | None:
        """Read on from where the last step stopped.

        Args:
            session: The session as it was read.
            older_than: Where the indexed part begins; what is newer is passed over.

        Returns:
            The time of the oldest event seen, or None when the beginning of the log is reached.

        Raises:
            HistoryUnavailableError: The events could not be read.
        """
        self._token = self._token or session.unread
        seen: datetime | None = None
        for _ in range(PAGES_A_STEP):
            if self._at_end:
                return None
            page = self._reader.page(self._token)
            self._take(page, older_than)
            self._token, self._at_end = page.next_token, page.next_token is None
            seen = page.events[-1].at if page.events else seen
        _log.info("pages=<%d>, looked_back_to=<%s> | recall stopped here", PAGES_A_STEP, seen)
        return None if self._at_end else seen

    def _take(self, page: Page, older_than: Position | None) -> None:
        messages = [one for one in in_order(page.events) if older_than is None or one.position < older_than]
        names = names_of_tools(one.message for one in messages)
        for one in messages:
            said = without_recall(one.message, names)
            if said is not None:
                self.entries.append(index_entry(LoggedMessage(said, one.position, one.at, one.origin)))
