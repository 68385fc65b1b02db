"""Draws the lists of actors and of an actor's sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from agentmem.drawing.markup import Markup, element, fragment
from agentmem.inspector.pages.layout import copyable, when
from agentmem.inspector.views.place import Place
from agentmem.scope.identity import new_session_id

if TYPE_CHECKING:
    from agentmem.inspector.views.actors import ActorPage, SessionPage

__all__ = ["actor_rows", "actors", "session_rows", "sessions"]


def actors(page: ActorPage, search: str) -> Markup:
    """Draw the page of actors.

    Args:
        page: The first page of them.
        search: What was searched for, or empty.
    """
    return fragment(
        _search("/", "Search actors", search, {}),
        element("ul", actor_rows(page, search), class_="rows", aria_label="Actors"),
        element(
            "form",
            element("h2", "Open a session by its ids"),
            element("label", "Actor ", element("input", name="actor", required=True, autocomplete="off")),
            element("label", "Session ", element("input", name="session", required=True, autocomplete="off")),
            element("button", "Open", type="submit"),
            action="/session",
            method="get",
            class_="inline",
        ),
    )


def actor_rows(page: ActorPage, search: str) -> Markup:
    """Draw a page of actors as rows, and the link to the next."""
    rows = [
        element(
            "li",
            element("a", actor, href=f"/sessions?{urlencode({'actor': actor})}"),
            copyable(actor, "the actor's id", shown="copy id"),
        )
        for actor in page.actors
    ]
    return fragment(rows, _more("/part/actors", page.next_token, search=search), _nothing(page, "actor", search))


def sessions(actor_id: str, page: SessionPage, search: str, *, writable: bool) -> Markup:
    """Draw the page of an actor's sessions.

    Args:
        actor_id: The actor.
        page: The first page of them.
        search: What was searched for, or empty.
        writable: Whether the actor can be forgotten here.
    """
    return fragment(
        element("p", element("a", "Actors", href="/"), " / ", copyable(actor_id, "the actor's id"), class_="path"),
        _search("/sessions", "Search sessions", search, {"actor": actor_id}),
        element(
            "p",
            element("a", "Begin a session in the chat", href=Place(actor_id, new_session_id(actor_id)).link("/chat")),
        )
        if writable
        else None,
        element("ul", session_rows(actor_id, page, search), class_="rows", aria_label="Sessions, newest first"),
        _forget(actor_id) if writable else None,
    )


def session_rows(actor_id: str, page: SessionPage, search: str) -> Markup:
    """Draw a page of sessions as rows, and the link to the next."""
    rows = []
    for one in page.sessions:
        place = Place(actor_id, one.session_id)
        rows.append(
            element(
                "li",
                element("a", one.session_id, href=place.link("/session")),
                element("span", "began ", when(one.created_at), class_="dim"),
                element("a", "context", href=place.link("/context"), aria_label=f"Context of {one.session_id}"),
                copyable(one.session_id, "the session's id", shown="copy id"),
            )
        )
    more = _more("/part/sessions", page.next_token, actor=actor_id, search=search)
    return fragment(rows, more, _nothing(page, "session", search))


def _forget(actor_id: str) -> Markup:
    return element(
        "form",
        element("h2", "Forget this actor"),
        element("p", "Deletes every event, record and checkpoint of the actor for good. You are asked first."),
        element("input", type="hidden", name="actor", value=actor_id),
        element("button", "Forget…", type="submit", class_="danger"),
        data_do="/do/forget",
        data_ask=f"Forget {actor_id}?",
        data_ask_first="/do/forget/count",
        data_ask_type=actor_id,
        data_then="/",
        class_="danger-zone",
    )


def _search(action: str, label: str, search: str, hidden: dict[str, str]) -> Markup:
    return element(
        "form",
        [element("input", type="hidden", name=name, value=value) for name, value in hidden.items()],
        element(
            "input", type="search", name="search", value=search, placeholder=label, aria_label=label, autocomplete="off"
        ),
        element("button", "Search", type="submit"),
        action=action,
        method="get",
        role="search",
        class_="inline",
    )


def _more(path: str, token: str | None, **parameters: str) -> Markup | None:
    if token is None:
        return None
    href = f"{path}?{urlencode({**parameters, 'next': token})}"
    return element("li", element("button", "Show more", type="button", class_="quiet", data_more=href), class_="more")


def _nothing(page: ActorPage | SessionPage, kind: str, search: str) -> Markup | None:
    if search and page.next_token is not None:
        return element("li", f"{page.searched:,} {kind}s were searched so far.", class_="dim")
    if page.found:
        return None
    said = f"No {kind} has {search!r} in its id." if search else f"There is no {kind} yet."
    return element("li", said, class_="am-empty")
