"""Whole conversations of different kinds: what a summary of them must still say, and what not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.messages.tokens import count_text

if TYPE_CHECKING:
    from agentmem.checkpoints.summary import Summary


class Dialogue(NamedTuple):
    """Turns of user and assistant in alternation; what must be there at the end, and what must be gone."""

    turns: str
    there: tuple[str, ...]
    gone: tuple[str, ...] = ()


MOVING_HOUSE = Dialogue(
    """
Hi! I'm organising our move to Utrecht and could use some help keeping track of everything.
Of course, happy to help. What is the plan so far?
We're moving on 14 March. The new address is Vinkenstraat 27, and the moving company is called Janssen & Zonen.
Got it, I have noted the date, the address and the company.
Our budget for the whole move is 3,400 euros. Please never book anything without asking me first.
Understood, I will always ask before booking.
The piano can't go through the stairwell, so it has to be lifted through the window. Their quote number is JZ-20481.
Noted. A lift through the window usually needs a permit from the municipality.
It rained all day here, by the way, and the cat was in a terrible mood. We watched an old film in the evening.
That sounds like a cosy evening at least. Cats do not care much for rain.
Bad news: the landlord changed the date. We're now moving on 21 March instead of 14 March.
I have changed the moving date to 21 March.
My sister Eline will keep the keys. Her number is +31 6 5550 1234.
Noted, Eline keeps the keys.
What do people usually forget when they move?
Many forget to redirect their post, to read the meters and to cancel the parking permit.
Good point. Still to do: redirect the post and cancel the internet contract with Zeelandnet.
I have put both on the list.
I prefer short answers with bullet points, no long paragraphs please.
Sure, short answers from now on.
The budget was raised: it's 3,900 euros now, because my employer pays a part.
Great news. The budget is 3,900 euros.
We also talked about painting the bedroom, maybe in a soft green, maybe not. We'll see about that some day.
Colours can wait until you have seen the room in daylight.
The new landlord wants the deposit by 1 March at the latest; the form is at https://huur.example.org/form/7781.
I will remind you of the deposit well before that.
""",
    there=(
        "21 March",
        "Vinkenstraat 27",
        "3,900 euros",
        "never book anything without asking",
        "JZ-20481",
        "+31 6 5550 1234",
        "cancel the internet contract",
        "short answers with bullet points",
        "https://huur.example.org/form/7781",
    ),
    gone=("3,400", "moving on 14 March."),
)

CODE_REVIEW = Dialogue(
    """
Let's continue with the importer. The repository is at https://git.example.org/data/importer, its main is protected.
Thanks, I have the repository open.
Work on the branch feature/csv-dialects. Do not push to main, and never commit the file config/secrets.toml.
Understood: no pushes to main, and the secrets stay out.
We target Python 3.12 and nothing newer; the CI image has 3.12.4.
Noted, Python 3.12.
The bug is in src/importer/dialects.py: sniff_dialect fails on files with a BOM. Ticket IMP-342 has the details.
I see it, the BOM is taken for a part of the first header.
Yes exactly. Ha, that took me two hours to find yesterday, and then I went for a run along the canal to calm down.
A run is a good way to calm down after a hunt like that.
We decided to use the codecs module instead of a regular expression.
Good choice, it handles UTF-16 as well.
The timeout of the download is 30 seconds.
I see it in the settings.
Three tests fail at the moment: test_bom_utf8, test_bom_utf16 and test_empty_file. Fix test_bom_utf8 first.
I will begin with test_bom_utf8.
Change of plans: we switched to branch fix/bom-header, because the dialect work was merged.
I have switched to fix/bom-header.
The download timeout is now 90 seconds, the mirror is slow.
Set to 90 seconds.
Can you tell me what a BOM is good for, anyway?
It tells the byte order of a file, which UTF-8 does not need.
The release 2.4.0 is planned for 2031-09-12, and Priya Nair has to sign it off.
Noted, Priya Nair signs off release 2.4.0.
Always run `make lint` before you commit, please.
I will run make lint before each commit.
""",
    there=(
        "fix/bom-header",
        "Do not push to main",
        "config/secrets.toml",
        "Python 3.12",
        "src/importer/dialects.py",
        "IMP-342",
        "codecs module",
        "test_bom_utf8",
        "90 seconds",
        "2031-09-12",
        "Priya Nair",
        "make lint",
    ),
    gone=("feature/csv-dialects", "30 seconds"),
)

SUPPORT_CASE = Dialogue(
    """
Hello, my order 88-20417 arrived yesterday and the coffee grinder is broken.
I am sorry to hear that. Could you tell me what is wrong with it?
The motor hums but the burrs don't turn. I paid 189.90 EUR for it with my card ending in 4471.
Thank you. I can offer a replacement or a refund.
I'd like a replacement, but only if it gets here before 6 June, because we're travelling after that.
A replacement would arrive on 4 June.
Fine, send the replacement to my office: Kanalgasse 8, 1060 Vienna. Don't leave it with the neighbours.
I have booked the replacement to Kanalgasse 8, reference RMA-55120.
Also, please write to me at lena.k@example.com, I don't read texts.
I have changed your contact to lena.k@example.com.
The last grinder I had was from the eighties and never broke, by the way. They don't make them like that any more.
Older machines were certainly built to last.
One more thing: my office moves. Send it to Lindengasse 15, 1070 Vienna instead of Kanalgasse 8.
I have updated the delivery address to Lindengasse 15.
My loyalty number is LC-7719-03. Are there points for this order?
Yes, 190 points were added to LC-7719-03.
Great. I'm allergic to latex, so the courier must not use those latex pouches again.
I have added a note for the courier.
Could you also check whether the grinder fits the 58 mm portafilter?
Yes, with the adapter ring from the box it fits 58 mm portafilters.
And please don't sign me up for newsletters.
You will not get any newsletters.
""",
    there=(
        "88-20417",
        "189.90 EUR",
        "before 6 June",
        "Lindengasse 15",
        "RMA-55120",
        "lena.k@example.com",
        "LC-7719-03",
        "allergic to latex",
        "don't sign me up for newsletters",
        "Don't leave it with the neighbours",
    ),
    gone=("Kanalgasse 8, 1060",),
)

RESEARCH = Dialogue(
    """
I'm writing a grant proposal about peat bogs. The call closes on 30 September at 17:00 CET.
Understood. How long may the proposal be?
At most 12 pages, and the requested sum must stay below $250,000.
Noted: 12 pages and less than $250,000.
My co-applicant is Dr. Ngozi Adeyemi from the University of Galway.
I will name Dr. Adeyemi as the co-applicant.
The data are in /data/bogs/2029/cores.parquet. Never share the coordinates of the sites, they are confidential.
The coordinates will not appear anywhere.
Funny thing, on the last trip our van got stuck and a farmer pulled it out with a tractor from 1961.
Those old tractors never give up.
We chose the Clara bog as the main site.
The Clara bog is the main site.
Use British spelling throughout, and cite in the Harvard style.
British spelling and Harvard references, all right.
The budget for the drone is $18,000.
Noted, $18,000 for the drone.
Actually the drone's budget is $22,500, the quote came in higher.
I have changed it to $22,500.
Next step: write the work plan, then ask Ngozi for the letter of support.
I will draft the work plan.
The call's deadline was extended to 14 October.
The deadline is now 14 October.
The drone's budget changed again, to $24,000, since we need a second battery.
Updated to $24,000.
No figures wider than 16 cm, the portal rejects them.
All figures will be 16 cm wide or less.
""",
    there=(
        "14 October",
        "12 pages",
        "$250,000",
        "Ngozi Adeyemi",
        "/data/bogs/2029/cores.parquet",
        "Never share the coordinates",
        "Clara bog",
        "British spelling",
        "$24,000",
        "letter of support",
        "16 cm",
    ),
    gone=("$18,000", "$22,500", "30 September"),
)

DIALOGUES = {
    "a move": MOVING_HOUSE,
    "a code review": CODE_REVIEW,
    "a support case": SUPPORT_CASE,
    "a grant proposal": RESEARCH,
}
BUDGET = 0.6
"""Share of the dialogue's tokens. Hardly a sentence of the user in them is without a point, so less must lose one."""


def _summary(turns: str, *, rounds: int) -> tuple[str, int]:
    lines = turns.strip().splitlines()
    messages: list[Any] = [
        {"role": "assistant" if at % 2 else "user", "content": [{"text": line}]} for at, line in enumerate(lines)
    ]
    budget = round(count_text(turns) * BUDGET)
    summary: Summary | None = None
    step = -(-len(messages) // rounds)
    for start in range(0, len(messages), step):
        summary = ExtractiveSummarizer().summarize(
            summary, messages[start : start + step], max_tokens=budget, count=count_text
        )
    assert summary is not None
    return summary.render(), budget


@pytest.mark.parametrize("rounds", [1, 4])
@pytest.mark.parametrize("name", DIALOGUES)
def test_what_matters_is_kept_and_what_was_replaced_is_gone(name: str, rounds: int) -> None:
    text, budget = _summary(DIALOGUES[name].turns, rounds=rounds)
    assert [one for one in DIALOGUES[name].there if one not in text] == [], text
    assert [one for one in DIALOGUES[name].gone if one in text] == [], text
    assert count_text(text) <= budget


def _of(*texts: str) -> str:
    messages: list[Any] = [{"role": "user", "content": [{"text": text}]} for text in texts]
    return ExtractiveSummarizer().summarize(None, messages, max_tokens=5_000, count=count_text).render()


@pytest.mark.parametrize(
    "text",
    [
        "That must have been a hard winter for you.",
        "It isn't always easy to talk about it.",
        "The wheels don't turn any more.",
        "The old kettle never broke in thirty years.",
    ],
)
def test_what_only_sounds_like_a_rule_is_none(text: str) -> None:
    assert "Rules:" not in _of(text)


def test_a_prohibition_for_one_thing_does_not_lift_another() -> None:
    text = _of("Never open gate 3.", "We had soup for lunch.", "Never open gate 4.")
    assert "Never open gate 3." in text
    assert "Never open gate 4." in text


@pytest.mark.parametrize("text", ["You're right, Carla.", "Wow, Carla, what a day!", "Is that recent?", "Agreed!"])
def test_politeness_and_questions_without_a_subject_are_left_out(text: str) -> None:
    assert text not in _of(text, "The gate code is 5519.")


def test_a_greeting_does_not_hide_what_is_said_with_it() -> None:
    assert "Facts:\n- Hello, my order 88-20417 is broken." in _of("Hello, my order 88-20417 is broken.")


def test_emphasis_is_no_part_of_a_statement() -> None:
    assert "- The code of the gate is 5519." in _of("The **code of the gate** is **5519**.")
    assert "2**3 and 4**5" in _of("The terms 2**3 and 4**5 are in file a.py.")
