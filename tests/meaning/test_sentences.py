"""Sentences of many languages are cut where they end, and say where they stand."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.meaning.language import detect_language, script_of
from agentmem.meaning.sentences import MAX_SENTENCE_CHARACTERS, MAX_TEXT_CHARACTERS, plain, split_sentences


def texts(text, **options):
    return [sentence.text for sentence in split_sentences(text, **options)]


LANGUAGES = {
    "en": ["Mr. Smith lives in the U.S. and pays $5.30 a day.", "See README.md on example.org/a?b=c.", "So do I."],
    "de": ["Am 14. März kommt Dr. Weber, z. B. um 9 Uhr.", "Das war 43 v. Chr. in Rom.", "Gut so."],
    "es": ["La Dra. Weber llegó ayer y todo está bien.", "No pasa nada.", "¿Qué tal?"],
    "fr": ["M. Dupont est parti avec M. Durand.", "En 43 av. J.-C. il mourut.", "C'est vrai ?"],
    "it": ["Il dott. Rossi è arrivato in ritardo.", "Parla sempre di te.", "Va bene così!"],
    "pt": ["O Sr. Silva chegou às nove horas.", "Está tudo certo.", "Você vem?"],
    "nl": ["Dhr. de Vries woont in Utrecht.", "Hij belt dat met me.", "Goed zo!"],
    "pl": ["Spotkanie jest 3. maja w biurze.", "Proszę przyjść punktualnie.", "Dobrze?"],
    "ru": ["А. С. Пушкин родился в Москве.", "Это было давно.", "Правда?"],
    "tr": ["Dr. Yılmaz bugün gelmedi.", "Bir bilet al.", "Tamam mı?"],
    "sv": ["Mötet är på måndag kl. 9 hos oss.", "Svaret får ha hundra ord.", "Kommer du?"],
    "ja": ["これは本です。", "本当ですか？", "はい！"],
    "zh": ["我昨天去了上海。", "你呢？", "太好了！"],
    "ko": ["저는 서울에 살아요.", "날씨가 좋네요.", "어디 가세요?"],
    "ar": ["وصل القطار متأخرا اليوم.", "هل أنت بخير؟", "نعم."],
    "hi": ["मैं घर जा रहा हूँ।", "आप कैसे हैं?", "ठीक है।"],
}


@pytest.mark.parametrize(("language", "wanted"), LANGUAGES.items(), ids=LANGUAGES)
def test_abbreviations_dates_and_marks_of_each_language(language, wanted):
    text = ("" if language in {"ja", "zh"} else " ").join(wanted)
    assert texts(text, language=language) == wanted
    assert texts(text) == wanted  # and so when the language is detected


def test_mixed_languages_and_marks():
    assert texts("他说好。Please call me. Ok?") == ["他说好。", "Please call me.", "Ok?"]
    assert texts("Ich komme. 明日は休みです。Bis dann!") == ["Ich komme.", "明日は休みです。", "Bis dann!"]


def test_a_writer_of_small_letters_ends_sentences_too():
    assert texts("ok. please don't write to my boss. i said no. what else?") == [
        "ok.",
        "please don't write to my boss.",
        "i said no.",
        "what else?",
    ]


def test_numbered_points_stay_with_their_numbers():
    assert texts("1. Do it now. 2. Go home.") == ["Do it now.", "2. Go home."]


def test_markdown_gives_items_without_their_marks():
    text = "# Wishes\n\n- **Never** call me.\n- one question. And two.\n  1. [x] three\n\n(a) `four`\n"
    assert texts(text) == ["Wishes", "Never call me.", "one question.", "And two.", "three", "four"]


def test_code_tables_logs_and_quotes_are_not_prose():
    text = (
        "Here it is:\n```python\nprint('Hello. There.')\n```\n~~~\nmore. code.\n~~~\n\n    indented = code\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n> What you wrote. Earlier.\n\n"
        '2024-01-01 10:00:00 failed\n{"a": 1}\nfoo(bar);\nint x = 3;\n  File "x.py", line 3, in y\nThat is all; thanks.'
    )
    assert texts(text) == ["Here it is:", "That is all; thanks."]


def test_a_fence_that_is_never_closed_holds_to_the_end():
    assert texts("Look.\n```\ncode. More.") == ["Look."]


def test_a_wrapped_line_is_one_sentence_and_a_short_one_is_not():
    wrapped = "This is a long line that was wrapped by the program that sent it as a\nmail. New."
    assert texts(wrapped) == [" ".join(wrapped[:-5].split()), "New."]
    assert texts("milk\nbread\nnever butter") == ["milk", "bread", "never butter"]


@pytest.mark.parametrize(
    ("text", "label", "statement"),
    [
        (
            "This is an important constraint: never write to Ben.",
            "This is an important constraint",
            "never write to Ben.",
        ),
        ("注意：以后不要打电话。", "注意", "以后不要打电话。"),
        ("**Regla:** no llames nunca.", "Regla", "no llames nunca."),
        ("We meet at 10:30 in the hall.", "", "We meet at 10:30 in the hall."),
        ("See https://example.org for more.", "", "See https://example.org for more."),
        ("Colour: red", "", "Colour: red"),
    ],
)
def test_a_label_is_told_from_the_statement_behind_it(text, label, statement):
    (sentence,) = split_sentences(text)
    assert (sentence.label, sentence.statement) == (label, statement)


def test_a_megabyte_is_bounded_and_both_ends_are_read():
    middle = "Some words of filling stand here. " * 32_000
    text = f"First wish stands here. {middle}\nLast wish stands here."
    started = time.process_time()
    found = split_sentences(text)
    assert time.process_time() - started < 3
    assert found[0].text == "First wish stands here."
    assert found[-1].text == "Last wish stands here."
    assert sum(len(sentence.text) for sentence in found) <= MAX_TEXT_CHARACTERS
    assert all(text[sentence.start : sentence.end] == sentence.text for sentence in found)


def test_the_second_half_of_a_long_text_knows_that_it_begins_in_a_fence():
    text = "Before.\n```\n" + "Looks like prose. But is code.\n" * 3_000 + "```\nAfter."
    assert texts(text) == ["Before.", "After."]


@pytest.mark.parametrize(
    "text",
    [
        "a." * 50_000,
        "(" * 90_000,
        "\n" * 90_000,
        '"' * 90_001,
        "|" * 90_000,
        "- " * 40_000,
        "x" * 90_000,
        ": " * 40_000,
    ],
)
def test_no_text_takes_long(text):
    started = time.process_time()
    found = split_sentences(text)
    assert time.process_time() - started < 5
    assert all(len(sentence.text) <= MAX_SENTENCE_CHARACTERS for sentence in found)


WORDS = st.sampled_from(
    [
        "we",
        "met",
        "under",
        "old",
        "trees",
        "Anna",
        "and",
        "春天",
        "よく",
        "Straße",
        "était",
        "não",
        "그래",
        "اليوم",
        "дом",
    ]
)
ENDS = st.sampled_from([". ", "! ", "? ", "。", "？", "\n", "\n\n", "\n- ", "… "])
PROSE = st.lists(st.tuples(st.lists(WORDS, min_size=3, max_size=8).map(" ".join), ENDS), max_size=12).map(
    lambda parts: "".join(words + end for words, end in parts)
)


@given(PROSE)
def test_nothing_of_prose_is_lost(text):
    found = split_sentences(text)
    letters = "".join(character for sentence in found for character in sentence.text if character.isalnum())
    assert letters == "".join(character for character in text if character.isalnum())


@given(st.one_of(st.text(max_size=400), PROSE, st.text(alphabet="ab.:|`~-> \n#*1)（。！", max_size=200)))
def test_offsets_are_those_of_the_text(text):
    found = split_sentences(text)
    end = 0
    for sentence in found:
        assert end <= sentence.start < sentence.end <= len(text)
        assert plain(text[sentence.start : sentence.end]) == sentence.text
        assert sentence.text.endswith(sentence.statement)
        end = sentence.end
    assert found == split_sentences(text)


def test_short_texts_take_the_language_around_them():
    assert detect_language("ok", fallback="de") == "de"
    assert detect_language("Wir treffen uns morgen am Bahnhof.", fallback="en") == "de"
    assert detect_language("明日は会議があります。") == "ja"
    assert detect_language("12345 :-)", fallback="fr") == "fr"


def test_scripts_are_named_by_the_first_letter():
    assert [script_of(text) for text in ("1. Über", "これ", "这", "यह", "12")] == [
        "LATIN",
        "HIRAGANA",
        "CJK",
        "DEVANAGARI",
        "",
    ]
