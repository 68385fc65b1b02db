"""Sentences that the prototypes have not seen are told apart, in any of the encoder's languages."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from agentmem.meaning import classifier as module
from agentmem.meaning import kernel
from agentmem.meaning.classifier import UNKNOWN, SentenceClassifier
from agentmem.meaning.loading import wait_until_ready
from agentmem.meaning.prototypes import Group, Prototype, Prototypes, packaged_prototypes, read_prototypes
from agentmem.meaning.sentences import split_sentences

HERE = Path(__file__).parent
NOT_THE_ENCODERS = {"hi", "sv"}


@pytest.fixture(scope="module")
def classifier():
    return wait_until_ready(120)


@pytest.fixture(scope="module")
def held_out(classifier):
    samples = [s for s in read_prototypes(HERE / "held_out.toml").samples if s.language not in NOT_THE_ENCODERS]
    return list(zip(samples, classifier.judge([sample.text for sample in samples]), strict=True))


@pytest.fixture(scope="module")
def planted():
    return tomllib.loads((HERE / "planted.toml").read_text(encoding="utf-8"))


def test_most_kinds_are_right(held_out):
    assert np.mean([sample.kind == judged.kind for sample, judged in held_out]) >= 0.85


def test_standing_requests_are_found_and_others_are_not_taken_for_them(held_out):
    standing = set(packaged_prototypes().of_group(Group.STANDING))
    asked = [judged.is_standing for sample, judged in held_out if sample.kind in standing]
    others = [judged.is_standing for sample, judged in held_out if sample.kind not in standing]
    assert np.mean(asked) >= 0.82
    assert np.mean(others) <= 0.01


def test_an_offer_to_help_further_is_told_from_a_question_that_waits(classifier):
    samples = read_prototypes(HERE / "held_out_2.toml").samples
    judged = classifier.judge([sample.text for sample in samples])
    offers, questions = (
        [judgement.scores["offer"] for sample, judgement in zip(samples, judged, strict=True) if sample.kind == kind]
        for kind in ("offer", "question")
    )
    assert np.mean([score >= 0.5 for score in offers]) >= 0.8
    assert max(questions) < 0.1


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "it", "pt", "nl", "ja", "zh", "ko"])
def test_each_language_is_judged_well(held_out, language):
    right = [sample.kind == judged.kind for sample, judged in held_out if sample.language == language]
    assert np.mean(right) >= 0.75


def test_requests_in_ordinary_words_are_found(classifier, planted):
    texts = [text for language, of in planted["plain"].items() if language not in NOT_THE_ENCODERS for text in of]
    assert np.mean([judged.is_standing for judged in classifier.judge(texts)]) >= 0.8


def test_a_request_inside_a_longer_message_is_found_and_nothing_else_there(classifier, planted):
    found, others = 0, 0
    for hidden in planted["hidden"]:
        sentences = split_sentences(hidden["message"])
        taken = [s for s, judged in zip(sentences, classifier.judge(sentences), strict=True) if judged.is_standing]
        found += any(hidden["request"] in sentence.text for sentence in taken)
        others += sum(hidden["request"] not in sentence.text for sentence in taken)
    assert found >= len(planted["hidden"]) - 1
    assert others <= 1


def test_confidences_are_confidences(held_out):
    for _, judged in held_out:
        assert sum(judged.scores.values()) == pytest.approx(1, abs=0.01)
        assert judged.confidence == max(judged.scores.values())
        assert 0 <= judged.standing <= 1


def test_a_sentence_is_judged_alike_in_any_company(classifier):
    texts = [sample.text for sample in read_prototypes(HERE / "held_out.toml").samples]
    fresh = SentenceClassifier(classifier.encoder._encoder, packaged_prototypes())
    alone = [fresh.judge([text])[0] for text in texts[:40]]
    for one, other in zip(fresh.judge(texts)[:40], alone, strict=True):
        assert one.kind == other.kind
        assert one.confidence == pytest.approx(other.confidence, abs=2e-4)


def test_a_label_does_not_hide_a_request(classifier):
    (sentence,) = split_sentences("This is an important constraint: never call me at the office.")
    assert classifier.standing(sentence) >= classifier.standing(sentence.text)
    assert classifier.judge([sentence])[0].is_standing


def test_other_scripts_are_unknown_and_never_standing(classifier):
    (judged,) = classifier.judge(["मुझे कभी फ़ोन मत करना।"])
    assert (judged.kind, judged.confidence, judged.standing) == (UNKNOWN, 0, 0)


def test_nothing_to_judge_gives_nothing(classifier):
    assert classifier.judge([]) == []


def test_phrases_raise_what_is_near_to_them(classifier):
    sentences = ["I can't eat nuts or milk.", "The train leaves at nine.", "Ich esse kein Fleisch."]
    near = classifier.nearness(sentences, ["dietary restrictions", "food that I must not eat"])
    assert min(near[0], near[2]) > near[1]
    assert classifier.nearness(sentences, []) == [0, 0, 0]
    assert classifier.nearness([], ["x"]) == []


@pytest.mark.parametrize(
    "text", ["Thanks a lot!", "ok", "Merci beaucoup !", "Guten Morgen!", "好的，谢谢", "👍", "", "Great, see you then."]
)
def test_small_talk_is_not_searched_for(classifier, text):
    assert classifier.is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    [
        "Which hotel did I book in Porto?",
        "Thanks! And what was the name of my doctor?",
        "Wann fährt mein Zug morgen?",
        "Book the same flight as last year.",
        "```\nprint(1)\n```",
    ],
)
def test_what_may_need_memory_is_searched_for(classifier, text):
    assert not classifier.is_small_talk(text)


def test_the_packaged_weights_are_those_of_the_packaged_prototypes(classifier):
    assert module._packed()["digest"] == packaged_prototypes().digest, "run python bench/meaning.py --fit"
    vectors = classifier.encoder.encode([sample.text for sample in packaged_prototypes().samples[::50]])
    cosines = (vectors * classifier._model.samples[::50]).sum(axis=1)
    assert cosines.min() > 0.995


ADDED = {"standing_request": ["The zebra goes before the yak.", "Kiwi mode please."], "small_talk": ["Rock on."]}


def test_added_prototypes_count_and_leave_other_sentences_as_they_were(classifier):
    fresh = SentenceClassifier(classifier.encoder, packaged_prototypes().with_added(ADDED))
    for text in ADDED["standing_request"]:
        assert fresh.standing(text) > max(0.8, classifier.standing(text))
    far = [sample.text for sample in packaged_prototypes().samples[::200]]
    pairs = zip(classifier.judge(far), fresh.judge(far), strict=True)
    assert max(abs(before.standing - after.standing) for before, after in pairs) < 0.05


@pytest.mark.slow
def test_added_prototypes_are_judged_as_if_all_were_fitted_together(classifier):
    prototypes = packaged_prototypes().with_added(ADDED)
    fresh, fitted = (SentenceClassifier(classifier.encoder, prototypes) for _ in range(2))
    fitted._model = module.fit_model(classifier.encoder, prototypes)
    texts = [*ADDED["standing_request"], "Kiwi mode again.", *(s.text for s in packaged_prototypes().samples[::50])]
    pairs = zip(fresh.judge(texts), fitted.judge(texts), strict=True)
    assert max(abs(one.standing - other.standing) for one, other in pairs) < 0.1


def test_another_encoder_is_fitted_from_the_beginning():
    class Letters:
        name = "letters"
        scripts = None

        def encode(self, texts):
            rows = np.array([[text.count("a") + 1e-3, text.count("b") + 1e-3] for text in texts], dtype=np.float32)
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    samples = [Prototype(kind, "en", kind * n) for kind in "ab" for n in range(1, 12)]
    prototypes = Prototypes({"a": Group.STANDING, "b": Group.COUNTERPART}, tuple(samples))
    first, second = (SentenceClassifier(Letters(), prototypes).judge(["aaab", "bbba", "यह a"]) for _ in range(2))
    assert first == second
    assert [judged.kind for judged in first] == ["a", "b", "a"]
    assert first[0].standing > 0.5 > first[1].standing


def test_a_fit_multiplies_with_one_blas_thread(monkeypatch):
    """OpenBLAS hangs when its number of threads is changed while another thread multiplies, so all take turns."""
    seen = []
    gamma = kernel._gamma

    def watched(samples):
        seen.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
        return gamma(samples)

    monkeypatch.setattr(kernel, "_gamma", watched)
    rows = np.eye(12, dtype=np.float32)
    kernel.fit(rows, np.arange(12) % 3, 3, (0,))
    assert seen
    assert set(seen) == {1}
