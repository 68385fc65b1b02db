"""Draws the chat: a conversation that streams, with memory's doings beside each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.drawing.markup import Markup, element, fragment
from agentmem.inspector.pages.messages import message

if TYPE_CHECKING:
    from agentmem.inspector.views.place import Place
    from agentmem.inspector.views.timeline import TimelinePage

__all__ = ["chat"]

_SHOWN_TURNS = 2


def chat(place: Place, page: TimelinePage, *, writable: bool, model: str) -> Markup:
    """Draw the page of the chat.

    Args:
        place: The session.
        page: Its newest events.
        writable: Whether the session may go on here.
        model: Name of the model that answers unless another is given.
    """
    older = len(page.turns) > _SHOWN_TURNS or page.next_token is not None
    earlier = [
        element("p", element("a", "Earlier turns", href=place.link("/session"))) if older else None,
        *(message(place, item) for turn in page.turns[:_SHOWN_TURNS][::-1] for item in turn.messages),
    ]
    if not writable:
        note = element(
            "p",
            "A chat writes to the memory, and this inspector is read-only. Start it again with ",
            element("code", "agentmem inspect --write"),
            ".",
            class_="notice",
        )
        return fragment(note, element("div", earlier, class_="messages"))
    return fragment(
        element("div", earlier, class_="messages"),
        element("div", id="conversation", class_="conversation", role="log", aria_label="Conversation"),
        element(
            "form",
            element("input", type="hidden", name="actor", value=place.actor_id),
            element("input", type="hidden", name="session", value=place.session_id),
            element("label", "Message", element("textarea", name="prompt", rows=2, required=True), class_="wide"),
            element("label", "Model ", element("input", name="model", value=model, autocomplete="off", required=True)),
            element("button", "Send", type="submit"),
            element("button", "Stop", type="button", class_="quiet", data_chat_stop=True, hidden=True),
            element(
                "p",
                "offline, a model id on Bedrock, ollama:NAME or openai:NAME. Enter sends; with Shift it begins a line.",
                class_="dim",
            ),
            data_chat="/chat/turn",
            class_="inline chat",
        ),
    )
