"""Which statement replaces which: texts of many kinds, none of them from a benchmark."""

from __future__ import annotations

from typing import Any

import pytest

from agentmem.compaction.summary.extractive import ExtractiveSummarizer


def said(*texts: str) -> list[Any]:
    """User messages with a short answer to each."""
    messages: list[Any] = []
    for text in texts:
        messages.append({"role": "user", "content": [{"text": text}]})
        messages.append({"role": "assistant", "content": [{"text": "Noted."}]})
    return messages


def summary_of(*texts: str) -> str:
    return ExtractiveSummarizer().summarize(None, said(*texts), max_tokens=100_000, count=len).render()


@pytest.mark.parametrize(
    ("old", "new", "gone", "there"),
    [
        ("The rent is 1,200 euros.", "The rent is now 1,350 euros.", "1,200", "1,350"),
        ("I live in Lisbon.", "I moved to Porto.", "Lisbon", "Porto"),
        ("My sister lives in Graz.", "My sister moved to Linz.", "Graz", "Linz"),
        ("I work at Acme.", "I now work at Globex.", "Acme", "Globex"),
        ("The kickoff is on Monday.", "The kickoff got moved to Friday.", "Monday", "Friday"),
        ("Our dentist appointment is at 10:30.", "The appointment has been moved to 14:00.", "10:30", "14:00"),
        ("The wifi password is heron-42.", "New wifi password: falcon-77.", "heron-42", "falcon-77"),
        ("My manager is Ana Silva.", "Tom Berg is my manager now.", "Ana Silva", "Tom Berg"),
        ("The server listens on port 8080.", "The server listens on port 9090.", "8080", "9090"),
        ("I prefer a window seat.", "Actually I'd rather have an aisle seat.", "window", "aisle"),
        ("Keep your answers short.", "Please give long, detailed answers from now on.", "short", "detailed"),
        ("Dark mode is enabled.", "Dark mode is now disabled.", "enabled", "disabled"),
        (
            "Send invoices to pay@acme.com.",
            "Send invoices to fin@acme.com from now on.",
            "pay@acme.com",
            "fin@acme.com",
        ),
        ("We host the site with Vercel.", "We are switching to Netlify for the site.", "Vercel", "Netlify"),
        ("Never use emojis in answers.", "You can use emojis again.", "Never use", "again"),
        ("Ticket 4411 is assigned to Mia Roth.", "Ticket 4411 is assigned to Leo Falk.", "Mia Roth", "Leo Falk"),
        ("The API rate limit is 40 requests per second.", "Actually 60, not 40.", "40", "60"),
        ("Deliver the parcel to 12 Oak Street.", "Change 12 Oak Street to 9 Elm Road.", "12 Oak", "9 Elm Road"),
        ("We cache with Redis.", "Replace Redis with Valkey.", "Redis", "We cache with Valkey"),
        ("Dinner is for 4 people.", "Make that 6 people for dinner.", "4 people", "6 people"),
        ("Max 3 retries per call.", "Max 5 retries per call now.", "3 retries", "5 retries"),
        ("The invoice is due on March 3.", "The due date of the invoice changed to March 17.", "March 3.", "March 17"),
        ("Our flight leaves at 7:15.", "Update: the flight leaves at 9:40 instead.", "7:15", "9:40"),
        ("Hotel budget is $180 a night.", "Keep the hotel cost under 150 dollars a night now.", "$180", "150 dollars"),
        ("Total spending is capped at $243.", "The budget cap is $671 in all.", "$243", "$671"),
        ("Use the branch feature/login.", "We switched to branch feature/signup.", "feature/login", "feature/signup"),
    ],
)
def test_an_updated_value_shows_only_its_latest_state(old: str, new: str, gone: str, there: str) -> None:
    text = summary_of(old, "By the way, the weather is nice here today.", new)
    assert there in text
    assert gone not in text


@pytest.mark.parametrize(
    "texts",
    [
        ("The approval code of turn 3 is AB-12.", "The approval code of turn 4 is CD-34."),
        ("The budget for Q3 is $500.", "The budget for Q4 is $700."),
        ("The hotel in Rome costs $200.", "The hotel in Paris costs $300."),
        ("Flight HAT123 departs at 10:00.", "Flight HAT456 departs at 12:00."),
        ("Order W123 is cancelled.", "Order W456 is cancelled."),
        ("My daughter Emma is 7.", "My son Noah is 9."),
        ("The wifi password is hunter22.", "The door code is 4455."),
        ("We fly out on June 3.", "We fly back on June 10."),
        ("The marketing budget is $7,000.", "The research budget is $5,000."),
        ("Do not use red in charts.", "Do not use blue in charts."),
        ("The old kitchen needs 12 tiles.", "The new bathroom needs 30 tiles."),
        ("Ana Diaz reviews the design.", "Bo Lund reviews the code."),
        ("The east gate opens at 8:00.", "The west gate opens at 9:00."),
        ("The staging database is on port 5432.", "The production database is on port 5433."),
        ("I like tea in the morning.", "I also like coffee in the evening."),
        ("The server in Berlin has 16 GB of RAM.", "The server in Tokyo has 32 GB of RAM."),
        ("Call my wife at 555-0101.", "Call my office at 555-0202."),
        ("The budget cap is $500.", "The conference budget cap is $250."),
        ("The guest list has 40 names.", "The backup guest list has 12 names."),
        ("Please cancel the order FD-10.", "Please cancel the order HS-20."),
        ("I'd like to change my flight from Rome to Oslo.", "The flight from Rome to Oslo is full."),
        ("We visited Rome in 2019.", "We visited Paris in 2021."),
    ],
)
def test_statements_that_only_look_alike_both_stay(texts: tuple[str, str]) -> None:
    text = summary_of(*texts)
    assert all(one.rstrip(".") in text for one in texts)


def test_what_else_an_updated_sentence_said_stays() -> None:
    text = summary_of("The meeting is at 10:30 in room 4B.", "The meeting has been moved to 14:00.")
    assert "14:00" in text
    assert "room 4B" in text
    assert "10:30" not in text


def test_a_question_changes_nothing() -> None:
    text = summary_of("The budget for the party is $500.", "Is the party budget now $900?")
    assert "The budget for the party is $500." in text


def test_the_assistant_does_not_overrule_the_user() -> None:
    messages = said("The budget must stay under $500.")
    messages.append({"role": "assistant", "content": [{"text": "The budget is now $900."}]})
    text = ExtractiveSummarizer().summarize(None, messages, max_tokens=10_000, count=len).render()
    assert "$500" in text


def test_an_update_reaches_the_summary_made_before() -> None:
    summarizer = ExtractiveSummarizer()
    first = summarizer.summarize(None, said("Project Heron ships on May 4."), max_tokens=1_000, count=len)
    second = summarizer.summarize(first, said("Heron's ship date moved to June 9."), max_tokens=1_000, count=len)
    assert "May 4" not in second.render()
    assert "June 9" in second.render()


def test_a_value_changed_twice_shows_the_third() -> None:
    text = summary_of("The quota is 10 GB.", "The quota is now 20 GB.", "Correction: the quota is 25 GB, not 20 GB.")
    assert "25 GB" in text
    assert "10 GB" not in text


def test_forty_codes_of_forty_turns_are_forty_facts() -> None:
    text = summary_of(*(f"The approval code of turn {n} is KX-{1000 + 7 * n}." for n in range(40)))
    assert all(f"turn {n} is KX-{1000 + 7 * n}." in text for n in range(40))
