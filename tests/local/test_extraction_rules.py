"""Records made by rule: sentences of the user's own, word for word, in any language."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem.local import Known, Message, RuleExtractor
from agentmem.local.extraction.messages import json_texts, read_payload
from agentmem.local.extraction.preferences import preference_in, preference_record
from agentmem.meaning.loading import wait_until_ready
from agentmem.meaning.prototypes import packaged_prototypes

# language: a fact, a preference, small talk, a question
CASES = {
    "en": (
        "My cousin Tara runs a bakery in Leeds.",
        "I'd sooner have the aisle seat.",
        "Lovely, cheers!",
        "When is it due?",
    ),
    "de": (
        "Ich wohne seit März in Hamburg.",
        "Ich trinke lieber Tee als Kaffee.",
        "Super, danke dir!",
        "Wo liegt das?",
    ),
    "fr": (
        "J'habite à Lyon avec mes deux filles.",
        "Je préfère voyager en train.",
        "Merci, c'est parfait !",
        "Où est-ce ?",
    ),
    "es": (
        "Trabajo como enfermera en Sevilla.",
        "Prefiero los asientos de pasillo.",
        "¡Genial, gracias!",
        "¿Dónde queda?",
    ),
    "it": ("Mia sorella abita a Torino.", "Preferisco il tè al caffè.", "Perfetto, grazie!", "Dove si trova?"),
    "pt": ("O meu irmão mora em Braga.", "Prefiro viajar de comboio.", "Ótimo, obrigada!", "Onde fica?"),
    "nl": ("Mijn dochter heet Fleur.", "Ik drink liever thee dan koffie.", "Top, dank je!", "Waar ligt dat?"),
    "pl": ("Mieszkam w Krakowie z żoną.", "Wolę herbatę od kawy.", "Świetnie, dzięki!", "Gdzie to jest?"),
    "ru": ("Моя сестра живёт в Казани.", "Я больше люблю чай, чем кофе.", "Отлично, спасибо!", "Где это находится?"),
    "ja": (
        "私の妹は京都に住んでいます。",
        "コーヒーより紅茶のほうが好きです。",
        "ありがとうございます！",
        "それはどこですか？",
    ),
    "zh": ("我姐姐住在成都。", "比起咖啡我更喜欢喝茶。", "太好了，谢谢！", "那在哪里？"),
    "tr": (
        "Kız kardeşim İzmir'de oturuyor.",
        "Kahve yerine çay içmeyi tercih ederim.",
        "Harika, teşekkürler!",
        "Bu nerede?",
    ),
}


def message(text, role="USER"):
    return Message(0, role, text)


def extract(kind, *said, known=()):
    messages = [one if isinstance(one, Message) else message(one) for one in said]
    return RuleExtractor().extract(kind, messages, known)


def texts(kind, *said):
    return [change.text for change in extract(kind, *said)]


def rolled(previous, *said):
    changes = extract("summary", *said, known=[Known("r", previous)] if previous else [])
    return changes[0].text if changes else previous


def test_no_case_is_one_of_the_sentences_that_judge_it():
    prototypes = {sample.text for sample in packaged_prototypes().samples}
    assert not prototypes & {sentence for case in CASES.values() for sentence in case}


@pytest.mark.parametrize("language", CASES)
def test_a_stated_fact_is_extracted_word_for_word(language):
    fact, _, talk, question = CASES[language]
    assert texts("semantic", f"{talk} {fact} {question}") == [fact]


@pytest.mark.parametrize("language", CASES)
def test_a_stated_preference_is_extracted_word_for_word(language):
    fact, preference, talk, question = CASES[language]
    [record] = texts("preference", f"{talk} {fact} {preference} {question}")
    assert json.loads(record) == {
        "context": "The user said this in a conversation.",
        "preference": preference,
        "categories": ["general"],
    }


@pytest.mark.parametrize("language", CASES)
@pytest.mark.parametrize("kind", ["semantic", "preference"])
def test_small_talk_and_questions_are_not_remembered(language, kind):
    _, _, talk, question = CASES[language]
    assert texts(kind, talk, question) == []


@pytest.mark.parametrize(
    "said",
    [
        "I mostly use the us-west-2 region.",
        "Actually, we moved to Porto last month.",
        "We have a dog called Rex.",
        "I was born in 1984.",
        "The office opens at nine.",
    ],
)
def test_nothing_is_rewritten(said):
    assert texts("semantic", said) == [said]


@pytest.mark.parametrize(
    "said",
    [
        "What's the weather in Porto?",
        "Where do I live",
        "Book the cheapest flight to Oslo.",
        "Cancel my subscription.",
        "I need help with my order.",
        "Hi there! Good morning!",
        "ok",
        "👍",
        "You are a helpful assistant.",
        "I think so.",
        "```python\nmy_name = 'x'\nI = 5\n```",
        '{"name": "Ana", "home": "Porto"}',
    ],
)
def test_questions_requests_and_small_talk_are_not_facts(said):
    assert texts("semantic", said) == []


def test_a_standing_request_is_a_preference():
    assert [preference_in(text) for text in texts("preference", "Please keep your answers short.")] == [
        "Please keep your answers short."
    ]


def test_a_statement_in_a_writing_system_that_nobody_can_judge_is_kept_and_a_question_is_not():
    said = "אני גר בחיפה עם המשפחה שלי. איפה אני גר עכשיו?"
    assert texts("semantic", said) == ["אני גר בחיפה עם המשפחה שלי."]
    assert texts("semantic", "Μένω στην Πάτρα με τον αδελφό μου. Πού μένω τώρα εγώ;") == [
        "Μένω στην Πάτρα με τον αδελφό μου."
    ]
    assert texts("preference", said) == []


def test_other_peoples_words_are_no_facts_of_the_user():
    said = "I live in the cloud and I prefer electricity."
    for role in ("ASSISTANT", "TOOL", "OTHER"):
        assert texts("semantic", message(said, role)) == []
        assert texts("preference", message(said, role)) == []


def test_sentences_in_json_that_a_caller_wrote_are_read():
    written = {"source": "intake form", "answers": [{"text": "I live in Porto. I prefer trains to planes."}], "age": 41}
    [read] = read_payload([{"json": {"content": written}}])
    assert read.role == "JSON"
    assert json.loads(read.text) == written
    assert texts("semantic", read) == ["I live in Porto.", "I prefer trains to planes."]
    assert [preference_in(text) for text in texts("preference", read)] == ["I prefer trains to planes."]


def test_the_same_sentence_renews_its_record_and_another_stands_beside_it():
    known = [Known("a", "I live in Lisbon."), Known("b", preference_record("I prefer tea."))]
    [same, other] = extract("semantic", "I live in Lisbon!", "We moved to Porto in March.", known=known)
    assert (same.text, same.replaces) == (None, "a")
    assert (other.text, other.replaces) == ("We moved to Porto in March.", None)
    [again] = extract("preference", "I prefer tea", known=known)
    assert (again.text, again.replaces) == (None, "b")


def test_the_same_sentence_twice_in_a_batch_is_one_record():
    assert len(texts("semantic", "I live in Porto.", "So. I live in Porto.")) == 1


ANY_SAID = st.lists(st.sampled_from([sentence for case in CASES.values() for sentence in case]), max_size=8)


@settings(max_examples=25, deadline=None)
@given(ANY_SAID, st.integers(0, 8))
def test_however_it_is_parted_the_same_conversation_makes_the_same_records(said, cut):
    for kind in ("semantic", "preference"):
        whole = texts(kind, *said)
        first = texts(kind, *said[:cut])
        known = [Known(str(number), text) for number, text in enumerate(first)]
        later = [change.text for change in extract(kind, *said[cut:], known=known) if change.text is not None]
        assert sorted(first + later) == sorted(whole)
    assert rolled(rolled(None, *said[:cut]), *said[cut:]) == rolled(None, *said)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_survived_and_what_is_kept_stands_in_it(said):
    squeezed = "".join(said.split())
    for text in texts("semantic", said) + [preference_in(text) for text in texts("preference", said)]:
        assert "".join(text.split()) in squeezed.replace("**", "") or "".join(text.split()) in squeezed
    assert rolled(None, said) is None or rolled(None, said).startswith("<topic")


@pytest.mark.parametrize(
    "said",
    [
        "ok " + "a" * 100_000,
        "thanks " * 15_000,
        "<" * 100_000,
        "```" * 30_000,
        "hi, " * 25_000 + "!",
        "[" * 50_000,
    ],
    ids=lambda said: said[:12],
)
def test_long_and_odd_texts_take_no_long_time(said):
    wait_until_ready()
    started = time.process_time()
    texts("semantic", said)
    texts("preference", said)
    rolled(None, said)
    assert time.process_time() - started < 3


class TestSummary:
    def test_it_has_topics_and_tells_both_sides_word_for_word(self):
        summary = rolled(
            None,
            "I am planning a trip to Japan in April. Which city should I see first?",
            message("Kyoto is lovely in April. The cherry trees bloom then.", "ASSISTANT"),
            "My laptop crashes whenever I open the editor.",
        )
        assert summary.splitlines() == [
            '<topic name="I am planning a trip to Japan in April.">',
            "The user said: I am planning a trip to Japan in April.",
            "The user asked: Which city should I see first?",
            "The assistant said: Kyoto is lovely in April.",
            "The assistant said: The cherry trees bloom then.",
            "</topic>",
            '<topic name="My laptop crashes whenever I open the editor.">',
            "The user said: My laptop crashes whenever I open the editor.",
            "</topic>",
        ]

    def test_what_a_tool_and_a_caller_reported_is_in_it(self):
        summary = rolled(
            None,
            "When does my train leave?",
            message("The train to Porto leaves at 9:40 from platform 3.", "TOOL"),
            message('{"note": "The office in Braga closes at six."}', "JSON"),
        )
        assert "A tool answered: The train to Porto leaves at 9:40 from platform 3." in summary
        assert "It was noted: The office in Braga closes at six." in summary

    def test_it_rolls(self):
        first = rolled(None, "I am planning a trip to Japan in April.")
        second = rolled(first, "The Japan trip costs 2,000 euros at most.")
        assert second.count("<topic") == 1
        assert "planning a trip" in second
        assert "2,000 euros" in second

    def test_the_same_again_changes_nothing(self):
        said = ["I am planning a trip to Japan.", message("Have fun in Japan.", "ASSISTANT")]
        first = rolled(None, *said)
        assert extract("summary", *said, known=[Known("r", first)]) == []

    def test_it_stays_within_a_record_however_long_the_session(self):
        filler = "salt & pepper & bread & " * 20
        said = [f"The project number {number} needs {filler}planning {number}." for number in range(60)]
        summary = rolled(None, *said)
        assert len(summary) <= 16_000
        assert summary.count("<topic") == summary.count("</topic>") >= 1
        assert "planning 59" in summary

    def test_markup_in_a_message_stays_text(self):
        summary = rolled(None, 'My company is called A & B "Sons" and it sells <topic> tags.')
        assert summary.count("<topic") == 1
        assert "A &amp; B" in summary

    def test_greetings_leave_none(self):
        assert rolled(None, "Hi there!", message("Hello!", "ASSISTANT")) is None


class TestReading:
    def test_the_sdks_json_messages_read_like_plain_text_with_results_of_tools_apart(self):
        result = {"toolUseId": "1", "content": [{"text": "The sun shines."}, {"json": {"c": 21}}], "status": "success"}
        content = [{"text": "I live in Porto."}, {"toolResult": result}, {"image": {}}]
        stored = json.dumps({"message": {"role": "user", "content": content}, "message_id": 3})
        dressed = {"conversational": {"role": "USER", "content": {"text": stored}}}
        assert read_payload([dressed]) == [
            Message(0, "USER", "I live in Porto."),
            Message(0, "TOOL", 'The sun shines.\n{"c": 21}'),
        ]

    def test_calls_of_tools_and_blobs_are_left_out_and_the_rest_is_passed_on(self):
        call = {
            "message": {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "t", "input": {}}}]}
        }
        items = [
            {"conversational": {"role": "ASSISTANT", "content": {"text": json.dumps(call)}}},
            {"conversational": {"role": "TOOL", "content": {"text": "It rains in Porto."}}},
            {"blob": {"text": "I live in a blob."}},
            {"json": {"content": {"clicks": 3}}},
            {"json": {"content": {"role": "user", "content": "I own a boat."}}},
            {"conversational": {"role": "USER", "content": {"text": "{not json: I live in Porto."}}},
        ]
        assert read_payload(items) == [
            Message(1, "TOOL", "It rains in Porto."),
            Message(3, "JSON", '{"clicks": 3}'),
            Message(4, "USER", "I own a boat."),
            Message(5, "USER", "{not json: I live in Porto."),
        ]

    def test_the_texts_in_json_come_in_order(self):
        assert json_texts('{"a": ["one", {"b": "two"}], "c": 3, "d": "three"}') == ["one", "two", "three"]
        assert json_texts("[" * 100_000) == []
