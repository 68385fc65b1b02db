"""Draws long-term memory: namespaces, records, the search with its threshold, failed jobs, and waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.drawing.markup import Markup, element, fragment
from agentmem.inspector.pages.layout import copyable, when
from agentmem.messages.fencing import statement_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.inspector.views.long_term import Job, NamespaceItem, RecordPage
    from agentmem.inspector.views.place import Place
    from agentmem.records.retrieval import MemoryRecord

__all__ = ["failed_jobs", "long_term", "record_rows", "search_rows"]


def long_term(
    place: Place,
    namespaces: Sequence[NamespaceItem],
    chosen: NamespaceItem | None,
    *,
    records: Markup | None,
    jobs: Sequence[Job] | None,
    query: str,
) -> Markup:
    """Draw the page of long-term memory.

    Args:
        place: The actor and the session.
        namespaces: The configured namespaces.
        chosen: The one that is shown; None when there is none.
        records: Its records, or what a search found, as rows.
        jobs: Failed extraction jobs; None when the service does not tell.
        query: What was searched for, or empty.
    """
    if chosen is None:
        return element("p", "The configuration has no namespaces.", class_="am-empty")
    return fragment(
        _namespaces(place, namespaces, chosen),
        element("p", copyable(chosen.path, "the namespace"), " ", element("span", chosen.kind, class_="dim")),
        _search(place, chosen, query),
        records,
        _waiting(place, chosen),
        element("section", element("h2", "Extraction jobs"), failed_jobs(jobs), aria_label="Extraction jobs"),
    )


def record_rows(place: Place, name: str, page: RecordPage, *, writable: bool) -> Markup:
    """Draw a page of records as rows, and the link to the next."""
    more = None
    if page.next_token is not None:
        href = place.link("/part/records", namespace=name, next=page.next_token)
        more = element(
            "li", element("button", "Show more", type="button", class_="quiet", data_more=href), class_="more"
        )
    if not page.records and more is None:
        return element("li", "There is no record here yet.", class_="am-empty")
    return fragment([_record(one, scored=False, writable=writable) for one in page.records], more)


def search_rows(records: Sequence[MemoryRecord], least: float | None, *, writable: bool) -> Markup:
    """Draw what a search found, under a threshold that can be dragged.

    Args:
        records: The records, best first.
        least: The configured threshold, or None.
        writable: Whether records can be deleted here.
    """
    if not records:
        return element("p", "Nothing was found.", class_="am-empty")
    start = least or 0.0
    return fragment(
        element(
            "label",
            "Threshold ",
            element("output", f"{start:.2f}", id="threshold"),
            element(
                "input",
                type="range",
                min=0,
                max=1,
                step=0.01,
                value=start,
                data_threshold="found",
                data_shows="threshold",
                aria_label="Threshold of the score",
            ),
            element("span", "", class_="dim", id="found-count", role="status"),
            class_="threshold",
        ),
        element(
            "p",
            "No threshold is configured: an agent's search compares by rank."
            if least is None
            else f"The configured threshold is {least:g}.",
            class_="dim",
        ),
        element(
            "ol",
            [_record(one, scored=True, writable=writable) for one in records],
            class_="records",
            id="found",
            aria_label="Found records, best first",
        ),
    )


def _namespaces(place: Place, namespaces: Sequence[NamespaceItem], chosen: NamespaceItem) -> Markup:
    return element(
        "nav",
        [
            element(
                "a",
                one.name,
                href=place.link("/long-term", namespace=one.name),
                aria_current="true" if one.name == chosen.name else None,
            )
            for one in namespaces
        ],
        aria_label="Namespaces",
        class_="tabs small",
    )


def _search(place: Place, chosen: NamespaceItem, query: str) -> Markup:
    hidden = {
        "actor": place.actor_id,
        "session": place.session_id,
        "agent": place.agent_id,
        "namespace": chosen.name,
    }
    label = f"Search {chosen.name}"
    return element(
        "form",
        [element("input", type="hidden", name=name, value=value) for name, value in hidden.items()],
        element(
            "input", type="search", name="query", value=query, placeholder=label, aria_label=label, autocomplete="off"
        ),
        element("button", "Search", type="submit"),
        action="/long-term",
        method="get",
        role="search",
        class_="inline",
    )


def _record(record: MemoryRecord, *, scored: bool, writable: bool) -> Markup:
    score = None
    if scored:
        score = element(
            "span",
            element("b", f"{record.score:.3f}"),
            element("meter", min=0, max=1, value=f"{record.score:.3f}", aria_label=f"Score {record.score:.3f}"),
            class_="score",
        )
    delete = element(
        "form",
        element("input", type="hidden", name="record", value=record.record_id),
        element("button", "Delete…", type="submit", class_="danger quiet"),
        data_do="/do/delete-record",
        data_ask="Delete this record for good?",
        data_then="",
    )
    return element(
        "li",
        score,
        _content(record.text),
        element(
            "p",
            when(record.created_at),
            copyable(record.record_id, "the record's id"),
            element("span", record.namespace, class_="dim"),
            class_="why",
        ),
        delete if writable else None,
        data_score=f"{record.score:.4f}" if scored else None,
    )


def _content(text: str) -> Markup:
    """Draw a record's statement, and the whole record where that is more."""
    statement = statement_of(text)[0]
    if statement.strip() == text.strip():
        return element("p", text, class_="said")
    whole = element("details", element("summary", "The whole record"), element("pre", text, tabindex=0))
    return element("div", element("p", statement), whole, class_="said")


def _waiting(place: Place, chosen: NamespaceItem) -> Markup:
    return element(
        "section",
        element("h2", "Wait for new records"),
        element("p", "Looks every second for up to two minutes, and shows what is new.", class_="dim"),
        element(
            "button",
            "Wait",
            type="button",
            data_wait=place.link("/events/wait", namespace=chosen.name),
            data_into="waited",
        ),
        element("button", "Stop", type="button", class_="quiet", data_wait_stop=True, hidden=True),
        element("div", id="waited", role="status"),
        aria_label="Wait for new records",
    )


def failed_jobs(jobs: Sequence[Job] | None) -> Markup:
    """Draw the failed extraction jobs of a session.

    Args:
        jobs: The jobs; None when the service does not tell.
    """
    if jobs is None:
        return element("p", "The service does not tell of extraction jobs here.", class_="am-empty")
    if not jobs:
        text = "No extraction job of this session has failed. The service tells of failed jobs only."
        return element("p", text, class_="dim")
    return element("ul", [_job(job) for job in jobs], class_="entries")


def _job(job: Job) -> Markup:
    return element(
        "li",
        copyable(job.job_id, "the job's id"),
        element("span", job.reason, class_="said"),
        element("span", f"strategy {job.strategy_id}, {len(job.event_ids)} events", class_="dim"),
        # The timeline marks the messages of these events.
        [element("span", hidden=True, data_failed_event=event_id) for event_id in job.event_ids],
    )
