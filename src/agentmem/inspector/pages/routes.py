"""Maps paths to pages and parts of pages: each reads a view and draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from agentmem.drawing.markup import Markup, element, fragment
from agentmem.errors import ConfigurationError
from agentmem.inspector.pages import actors as actor_pages
from agentmem.inspector.pages import compactions as compaction_pages
from agentmem.inspector.pages import context as context_pages
from agentmem.inspector.pages import long_term as long_term_pages
from agentmem.inspector.pages import timeline as timeline_pages
from agentmem.inspector.pages.chat import chat as chat_page
from agentmem.inspector.pages.messages import block_list
from agentmem.inspector.views import actors as actor_views
from agentmem.inspector.views import compactions as compaction_views
from agentmem.inspector.views import long_term as long_term_views
from agentmem.inspector.views.context import read_context
from agentmem.inspector.views.message_blocks import blocks_of
from agentmem.inspector.views.request_sizes import read_request_sizes
from agentmem.inspector.views.timeline import read_message, read_timeline

if TYPE_CHECKING:
    from typing import Any

    from agentmem.config import MemoryConfig
    from agentmem.inspector.views.place import Place

__all__ = ["PAGES", "PARTS", "PageRequest"]


@dataclass(frozen=True)
class PageRequest:
    """What a page was asked for.

    Attributes:
        config: The memory.
        place: The session; its ids are empty on pages about none.
        parameters: All parameters of the address.
        writable: Whether the memory may be changed.
        model: Name of the model that answers the chat.
    """

    config: MemoryConfig
    place: Place
    parameters: Mapping[str, str]
    writable: bool
    model: str

    @property
    def has_place(self) -> bool:
        """Whether it is about a session."""
        return bool(self.place.actor_id and self.place.session_id)

    def text(self, name: str) -> str:
        """Return a parameter, or an empty text."""
        return self.parameters.get(name, "").strip()

    def token(self) -> str | None:
        """Return where to go on in a list, or None."""
        return self.parameters.get("next") or None

    def number(self, name: str) -> int | None:
        """Return a whole number of 0 or more, or None when it is not given.

        Raises:
            ConfigurationError: It is none.
        """
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise ConfigurationError(f"{name} = {text!r}: give a whole number of 0 or more.")
        return int(text)


Page: TypeAlias = Callable[[PageRequest], tuple[str, Markup]]
Part: TypeAlias = Callable[[PageRequest], Markup]


def _actors(asked: PageRequest) -> tuple[str, Markup]:
    search = asked.text("search")
    return "Actors", actor_pages.actors(actor_views.list_actors(asked.config, search), search)


def _sessions(asked: PageRequest) -> tuple[str, Markup]:
    search, actor = asked.text("search"), asked.place.actor_id
    page = actor_views.list_sessions(asked.config, actor, search)
    return f"Sessions of {actor}", actor_pages.sessions(actor, page, search, writable=asked.writable)


def _session(asked: PageRequest) -> tuple[str, Markup]:
    return "Timeline", timeline_pages.timeline(asked.place, read_timeline(asked.config, asked.place))


def _context(asked: PageRequest) -> tuple[str, Markup]:
    view = read_context(asked.config, asked.place, fixed_tokens=asked.number("fixed_tokens"))
    return "What the model sees", context_pages.context(
        asked.place, view, drawn=asked.number("drawn"), writable=asked.writable
    )


def _compactions(asked: PageRequest) -> tuple[str, Markup]:
    history = compaction_views.read_history(asked.config, asked.place)
    version = asked.number("version") or (history[0].version if history else 0)
    shown = _version(history, version) if history else None
    return "Compactions", compaction_pages.compactions(asked.place, history, shown, asked.config.compaction)


def _long_term(asked: PageRequest) -> tuple[str, Markup]:
    config, place, query = asked.config, asked.place, asked.text("query")
    namespaces = long_term_views.namespaces_of(config, place)
    wanted = asked.text("namespace")
    chosen = next((one for one in namespaces if one.name == wanted), namespaces[0] if namespaces else None)
    records = None
    if chosen is not None and query:
        found = long_term_views.search_records(config, place, chosen.name, query)
        records = long_term_pages.search_rows(found, chosen.relevance_score, writable=asked.writable)
    elif chosen is not None:
        page = long_term_views.list_page(config, place, chosen.name, None)
        rows = long_term_pages.record_rows(place, chosen.name, page, writable=asked.writable)
        records = element("ul", rows, class_="records", aria_label="Records")
    jobs = long_term_views.list_jobs(config, place)
    return "Long-term memory", long_term_pages.long_term(
        place, namespaces, chosen, records=records, jobs=jobs, query=query
    )


def _chat(asked: PageRequest) -> tuple[str, Markup]:
    page = read_timeline(asked.config, asked.place)
    return "Chat", chat_page(asked.place, page, writable=asked.writable, model=asked.model)


def _more_actors(asked: PageRequest) -> Markup:
    search = asked.text("search")
    return actor_pages.actor_rows(actor_views.list_actors(asked.config, search, asked.token()), search)


def _more_sessions(asked: PageRequest) -> Markup:
    search, actor = asked.text("search"), asked.place.actor_id
    return actor_pages.session_rows(
        actor, actor_views.list_sessions(asked.config, actor, search, asked.token()), search
    )


def _more_turns(asked: PageRequest) -> Markup:
    return timeline_pages.turn_rows(asked.place, read_timeline(asked.config, asked.place, asked.token()))


def _more_records(asked: PageRequest) -> Markup:
    name = asked.text("namespace")
    page = long_term_views.list_page(asked.config, asked.place, name, asked.token())
    return long_term_pages.record_rows(asked.place, name, page, writable=asked.writable)


def _message(asked: PageRequest) -> Markup:
    found = read_message(asked.config, asked.place, asked.text("event"), asked.number("item") or 0)
    if found is None:
        return element("p", "The message is gone: it has expired, or it was forgotten.", class_="am-empty")
    return block_list(found.blocks)


def _original(asked: PageRequest) -> Markup:
    place = asked.place
    memory = asked.config.bind(place.actor_id, place.session_id)
    found = memory.recall(asked.text("handle"), agent_id=place.agent_id)
    if not found:
        return element("p", "The message is gone: it has expired, or it was forgotten.", class_="am-empty")
    message: Any = {"role": found[0].role, "content": list(found[0].content)}
    return fragment(
        element("p", f"{found[0].role}, {found[0].at:%Y-%m-%d %H:%M:%S} UTC", class_="dim"),
        block_list(blocks_of(message)),
    )


def _sizes(asked: PageRequest) -> Markup:
    sizes = read_request_sizes(asked.config, asked.place)
    threshold = asked.config.compaction.token_threshold
    return timeline_pages.request_sizes(sizes, threshold if isinstance(threshold, int) else None)


def _jobs(asked: PageRequest) -> Markup:
    return long_term_pages.failed_jobs(long_term_views.list_jobs(asked.config, asked.place))


def _compaction(asked: PageRequest) -> Markup:
    history = compaction_views.read_history(asked.config, asked.place)
    found = _version(history, asked.number("version") or 0)
    return compaction_pages.change(asked.place, found)


def _dry_run(asked: PageRequest) -> Markup:
    changes = {name: asked.text(name) for name in compaction_views.CHANGEABLE if asked.text(name)}
    run = compaction_views.dry_run(asked.config, asked.place, changes, fixed_tokens=asked.number("fixed_tokens") or 0)
    return compaction_pages.dry_run_result(run)


def _version(history: list[Any], version: int) -> compaction_views.CompactionChange:
    """Return a version beside the one before; the nearest older one when it is not there any more."""
    at = next((index for index, one in enumerate(history) if one.version <= version), len(history) - 1)
    return compaction_views.compare(history[at], history[at + 1] if at + 1 < len(history) else None)


PAGES: Mapping[str, Page] = {
    "/": _actors,
    "/sessions": _sessions,
    "/session": _session,
    "/context": _context,
    "/compactions": _compactions,
    "/long-term": _long_term,
    "/chat": _chat,
}
"""The pages by path."""

PARTS: Mapping[str, Part] = {
    "/part/actors": _more_actors,
    "/part/sessions": _more_sessions,
    "/part/timeline": _more_turns,
    "/part/records": _more_records,
    "/part/jobs": _jobs,
    "/part/message": _message,
    "/part/original": _original,
    "/part/sizes": _sizes,
    "/part/compaction": _compaction,
    "/part/dry-run": _dry_run,
}
"""The parts of pages by path."""
