"""The terms by which a text is found, in the languages people use."""

from __future__ import annotations

import pytest

from agentmem.meaning.terms import language_of, terms_of, wanted_terms


def shares(question: str, text: str) -> int:
    """How many of a question's terms a text has, as recall compares them."""
    language = language_of(text)
    terms = set(terms_of(text, language))
    return sum(bool(terms & set(forms)) for forms in wanted_terms(question, [language]))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The spare key hangs behind the third lamp in the hall.", "en"),
        ("Der Ersatzschlüssel hängt hinter der dritten Lampe im Flur.", "de"),
        ("La llave de repuesto cuelga detrás de la tercera lámpara.", "es"),
        ("予備の鍵は三番目のランプの後ろにあります。", "ja"),
        ("| 31 | SKU-102X | 2031-01-12 |", "en"),
        ("ok", "en"),
        ("", "en"),
    ],
)
def test_a_language_is_detected_and_english_assumed_where_it_cannot_be_told(text, language):
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("question", "text", "shared"),
    [
        ("which deliveries were cancelled?", "We cancel the delivery of the lamp, I am sorry to say.", 2),
        ("Wo hängen die Schlüssel meiner Schwestern?", "Der Schlüssel meiner Schwester hängt an der Haustür.", 2),
        ("¿Dónde están las llaves de mis hermanas?", "La llave de mi hermana está colgada en la puerta.", 2),
        ("妹の住所は?", "妹は横浜に引っ越して、住所が変わりました。", 2),
        ("where is cafe Muller?", "We met at the Café Müller last evening and it rained.", 2),
    ],
)
def test_forms_of_a_word_find_each_other(question, text, shared):
    assert shares(question, text) >= shared


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("what about turn 12?", "That was turn #12 of the game."),
        ("what is in report 7?", '{"path": "/data/report_7.txt"}'),
        ("where is report_7.txt?", '{"path": "/data/report_7.txt"}'),
        ("what about receipt ZX-88-QQ?", "receipt ZX-88-QQ was paid"),
        ("what does user_id mean?", "The user_id is a number."),
    ],
)
def test_numbers_and_identifiers_are_terms_of_their_own(question, text):
    assert shares(question, text) >= 2


def test_the_number_of_a_noun_tells_turns_apart():
    assert "turn 12" in terms_of("turn 12", "en")
    assert "turn 12" not in terms_of("turn 1, and 12 of them", "en")


def test_stop_words_are_no_terms_unless_there_is_nothing_else():
    assert "the" not in terms_of("The code is 4711 and it is there.", "en")
    assert terms_of("the", "en") == ["the"]
    assert terms_of("?!", "en") == ["?!"]
    assert terms_of("", "en") == []


def test_a_question_in_one_language_finds_text_in_another_by_its_names():
    assert shares("Wann fährt der Zug nach Bergen?", "The train to Bergen leaves at nine, platform two.") >= 1
