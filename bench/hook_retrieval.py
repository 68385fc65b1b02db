"""Measures retrieval by the hook: is the right record shown, and how much for a message that has nothing to do with it?

    python bench/hook_retrieval.py            # prints the table
    python bench/hook_retrieval.py --write    # and writes docs/reference/figures/retrieval.md

One user's store holds 30 facts in five languages. Real agents with a `MemoryHook` are asked a question about each, and
told 30 messages that no fact bears on: 15 questions about other things, and 15 of small talk, thanks or confirmation.
Each store is also searched with its scores squeezed into bands, as on a live store, where all lay between 0.356 and
0.496. The rows with a `relevance_score` show what a threshold does instead. Nothing here was used to choose a number of
the package.
"""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path

from strands import Agent

from agentmem import HookConfig, MemoryConfig, Namespace
from agentmem.hook import MemoryHook
from agentmem.local import LocalMemory
from agentmem.meaning.loading import wait_until_ready
from agentmem.messages.fencing import fenced_records
from agentmem.messages.tokens import count_text
from agentmem.testing import ScriptedModel

FACTS_AND_QUESTIONS = {
    "en": [
        ("My parking space is number 27 on level B.", "Where did I leave the car in the garage?"),
        ("Our au pair Greta comes from Tallinn.", "Which country is the girl who minds our children from?"),
        ("I can't digest lactose.", "Suggest a dessert I can eat."),
        ("The warranty of my washing machine runs out in November.", "Until when is the washer covered?"),
        ("I sing bass in the cathedral choir.", "Which part do I sing?"),
        ("I like my code reviews blunt.", "How should you phrase the feedback on this patch?"),
    ],
    "de": [
        ("Mein Reisepass läuft im Februar ab.", "Wann muss ich einen neuen Pass beantragen?"),
        ("Unsere Katze heißt Momo und ist zwölf.", "Wie alt ist unser Haustier?"),
        ("Ich arbeite in der Buchhaltung einer Brauerei.", "Was mache ich beruflich?"),
        ("Mein Zahnarzt ist Doktor Lindner in der Gartenstraße.", "Zu wem gehe ich, wenn der Zahn schmerzt?"),
        ("Ich lese am liebsten Krimis aus Island.", "Welches Buch könnte mir gefallen?"),
        ("Das WLAN im Büro heißt Ahorn5.", "In welches Funknetz muss ich mich bei der Arbeit einwählen?"),
    ],
    "es": [
        ("Mi hijo Bruno juega de portero en un equipo infantil.", "¿En qué posición juega mi niño?"),
        ("Soy alérgica a la penicilina.", "¿Qué medicamento no me pueden recetar?"),
        ("El alquiler del local es de 950 euros.", "¿Cuánto pago cada mes por la tienda?"),
        ("Prefiero que me llamen por las tardes.", "¿A qué hora conviene telefonearme?"),
        ("Conduzco una furgoneta eléctrica desde enero.", "¿Qué vehículo tengo?"),
        ("Mi abuela vive en un pueblo de Soria.", "¿Dónde está la casa de mi abuela?"),
    ],
    "fr": [
        ("Je suis des cours de poterie le mercredi soir.", "Quand ai-je mon cours de céramique ?"),
        ("Notre fils est né pendant la tempête de 2019.", "Quel âge a notre enfant ?"),
        ("Je ne mange jamais de champignons.", "Que faut-il éviter dans mon repas ?"),
        ("Le numéro de mon contrat d'assurance est 88-417-K.", "Sous quelle référence suis-je assuré ?"),
        ("Ma voisine Odile garde mes clés.", "Qui peut m'ouvrir la porte si je perds mon trousseau ?"),
        ("Je compose de la musique sur un vieux synthétiseur.", "De quel instrument est-ce que je joue ?"),
    ],
    "ja": [
        ("私は毎朝五時に犬の散歩をします。", "私は何時に起きて犬を連れて出かけますか？"),
        ("息子は来年大学を卒業します。", "子どもはいつ学校を終えますか？"),
        ("そばアレルギーがあります。", "食べられない麺は何ですか？"),
        ("会社の決算は三月です。", "うちの会計年度はいつ終わりますか？"),
        ("窓側の席が好きです。", "飛行機ではどの席を予約すればいいですか？"),
        ("祖父の家は北海道の函館にあります。", "おじいさんはどこに住んでいますか？"),
    ],
}
UNRELATED = {
    "en": ("What is the boiling point of ethanol?", "Prove that pi is irrational.", "Who wrote the Iliad?"),
    "de": ("Wie funktioniert ein Kompass?", "Schreib ein Gedicht über den Mond.", "Was bedeutet Inflation?"),
    "es": ("¿Cuántos planetas hay?", "Explícame la fotosíntesis.", "¿Quién inventó la imprenta?"),
    "fr": ("Combien de côtés a un dodécaèdre ?", "Explique la tectonique des plaques.", "Qui a peint la Joconde ?"),
    "ja": ("光の速さはどのくらいですか？", "素数とは何ですか？", "地震はなぜ起きますか？"),
}  # fmt: skip
SMALL_TALK = {
    "en": ("Brilliant, much obliged!", "Yes, go ahead.", "Evening! Everything all right?"),
    "de": ("Prima, vielen lieben Dank!", "Ja, so machen wir das.", "Hallöchen, na?"),
    "es": ("¡Estupendo, mil gracias!", "Sí, de acuerdo.", "¡Buenas! ¿Qué tal todo?"),
    "fr": ("Super, merci infiniment !", "Oui, ça me va.", "Coucou, ça va bien ?"),
    "ja": ("助かりました、どうも！", "はい、それでお願いします。", "やあ、元気？"),
}
RIGHT = [(question, fact) for pairs in FACTS_AND_QUESTIONS.values() for fact, question in pairs]
BANDS = (None, (0.356, 0.496), (0.02, 0.05), (0.9, 0.95))
TOP_K = 3
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "figures" / "retrieval.md"
HEAD = (
    "| chosen by | scores between | right record shown | records a question | records an unrelated question | "
    "tokens of it | small talk answered with records |\n|---|---|---|---|---|---|---|\n"
)
ABOUT = """# What the hook retrieves

One user's store holds 30 facts in English, German, Spanish, French and Japanese. Agents with a `MemoryHook` (`top_k=3`)
are asked a question about each, 15 questions about other things, and 15 messages of small talk, thanks or confirmation.
The scores of the embedded service are left as they are, or squeezed into a band, as on a live store, where all lay
between 0.356 and 0.496. Comparing by rank and gaps does not depend on the band; a threshold does. It shows fewer
records and misses a right one more often than the three best would. Made by the command
`python bench/hook_retrieval.py --write`.

"""


def main() -> None:
    """Print one row for each way of choosing and each band of scores."""
    wait_until_ready()
    ways = [(score, band) for score in (None, 0.2, 0.5) for band in (BANDS if score is None else BANDS[:2])]
    table = HEAD + "".join(f"{_row(score, band)}\n" for score, band in ways)
    print(table)
    if "--write" in sys.argv:
        PAGE.write_text(ABOUT + table, encoding="utf-8")


def _row(score: float | None, band: tuple[float, float] | None) -> str:
    facts = Namespace.semantic("facts", "/users/{actorId}/facts/", top_k=TOP_K, relevance_score=score)
    service = LocalMemory()
    hook = HookConfig(retrieve_timeout=20, restore="off")
    config = MemoryConfig.local(service, namespaces=(facts,), hook=hook)
    _fill(config)
    squeezed = service.faults.inject("squeezed_scores", scores=band) if band else contextlib.nullcontext()
    with squeezed, contextlib.closing(MemoryHook(config)) as memory_hook:
        asked = [(fact, _shown(memory_hook, question)) for question, fact in RIGHT]
        unrelated = [_shown(memory_hook, message) for messages in UNRELATED.values() for message in messages]
        talk = [_shown(memory_hook, message) for messages in SMALL_TALK.values() for message in messages]
    right = sum(fact in [record.text for record in records] for fact, records in asked)
    tokens = sum(count_text(fenced_records(records)) for records in unrelated) / len(unrelated)
    how = "rank and gaps" if score is None else f"`relevance_score={score}`"
    where = f"{band[0]} and {band[1]}" if band else "0 and 1"
    return (
        f"| {how} | {where} | {right} of {len(asked)} | {sum(len(records) for _, records in asked) / len(asked):.1f} | "
        f"{sum(map(len, unrelated)) / len(unrelated):.1f} | {tokens:.0f} | {sum(map(bool, talk))} of {len(talk)} |"
    )


def _fill(config: MemoryConfig) -> None:
    for number, (_, fact) in enumerate(RIGHT):
        record = {
            "requestIdentifier": f"r{number}",
            "namespaces": ["/users/ann/facts/"],
            "content": {"text": fact},
            "timestamp": datetime.now(UTC),
        }
        config.data_plane().batch_create_memory_records(memoryId=config.memory_id, records=[record])


def _shown(hook: MemoryHook, message: str):  # noqa: ANN202 - a tuple of records
    state = {"user_id": "ann", "session_id": "s1"}
    agent = Agent(model=ScriptedModel(["Noted."]), hooks=[hook], state=state, callback_handler=None)
    agent(message)
    return hook.retrieved(agent)


if __name__ == "__main__":
    main()
