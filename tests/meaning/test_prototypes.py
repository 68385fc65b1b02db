"""Prototypes are read, checked and added to."""

from pathlib import Path

import pytest

from agentmem.errors import ConfigurationError
from agentmem.meaning.prototypes import Group, packaged_prototypes, read_prototypes

HERE = Path(__file__).parent


def test_the_packaged_ones_cover_each_kind_in_ten_languages():
    prototypes = packaged_prototypes()
    assert prototypes.of_group(Group.STANDING) == ("standing_request", "prohibition", "bound")
    for kind in prototypes.kinds:
        languages = {sample.language for sample in prototypes.samples if sample.kind == kind}
        assert languages >= {"en", "de", "es", "fr", "it", "pt", "nl", "ja", "zh", "ko"}, kind


def test_no_sentence_is_of_two_kinds_or_in_the_held_out_file():
    texts = [sample.text for sample in packaged_prototypes().samples]
    assert len(texts) == len(set(texts))
    for file in ("held_out.toml", "held_out_2.toml"):
        assert not set(texts) & {sample.text for sample in read_prototypes(HERE / file).samples}


def test_sentences_can_be_added():
    prototypes = packaged_prototypes()
    added = prototypes.with_added({"bound": ["  Two coats of paint at most.  ", "Two coats of paint at most."]})
    assert len(added.samples) == len(prototypes.samples) + 1
    assert added.samples[-1].text == "Two coats of paint at most."
    assert added.digest != prototypes.digest
    assert prototypes.with_added({}) == prototypes


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ({"bounds": ["x"]}, "unknown kind 'bounds'.*bound"),
        ({"bound": [" "]}, "Each must be a sentence"),
        ({"bound": "one string"}, "Give a list"),
        ({"bound": [3]}, "hold 3"),
    ],
)
def test_what_cannot_be_added_is_named(sentences, message):
    with pytest.raises(ConfigurationError, match=message):
        packaged_prototypes().with_added(sentences)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("format = ", "cannot be read"),
        ("format = 2", "format 2.*format = 1"),
        ("format = 1", "name no kinds"),
        ("format = 1\n[[kind]]\ngroup = 'keep'", "Kind None.*no name"),
        ("format = 1\n[[kind]]\nname = 'a'\ngroup = 'other'", "group 'other'.*standing, keep, counterpart"),
        ("format = 1\n[[kind]]\nname = 'a'\ngroup = 'keep'", "no sentences"),
        ("format = 1\n[[kind]]\nname = 'a'\ngroup = 'keep'\nsentences.en = 'x'", "not a list"),
        ("format = 1\n[[kind]]\nname = 'a'\ngroup = 'keep'\nsentences.en = ['']", "language 'en', hold ''"),
    ],
)
def test_a_bad_file_is_a_configuration_error_that_names_it(tmp_path, content, message):
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=f"(?s){message}") as caught:
        read_prototypes(file)
    assert "mine.toml" in str(caught.value)


def test_a_missing_file_is_one_too(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_prototypes(tmp_path / "none.toml")
