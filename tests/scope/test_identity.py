import re
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentmem import actor_id_for, new_session_id
from agentmem.errors import ConfigurationError, IdentityError
from agentmem.scope.identity import (
    ACTOR_ID_MAX,
    ACTOR_ID_PATTERN,
    MEMORY_ID_PATTERN,
    RUNTIME_SESSION_ID_MIN,
    SESSION_ID_MAX,
    SESSION_ID_PATTERN,
    validate_actor_id,
    validate_memory_id,
    validate_session_id,
)
from contract import is_valid, rules, shape

DATA = "bedrock-agentcore"
plain_ids = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,40}", fullmatch=True)


def test_the_rules_are_the_services_own():
    assert rules(DATA, "MemoryId")[0] == MEMORY_ID_PATTERN
    assert rules(DATA, "ActorId") == (ACTOR_ID_PATTERN, 1, ACTOR_ID_MAX)
    assert rules(DATA, "SessionId") == (SESSION_ID_PATTERN, 1, SESSION_ID_MAX)
    runtime = shape(DATA, "InvokeAgentRuntimeRequest").members["runtimeSessionId"].metadata
    assert runtime["min"] == RUNTIME_SESSION_ID_MIN


@pytest.mark.parametrize(
    "memory_id", ["support_bot-a1b2c3d4e5", "arn:aws:bedrock-agentcore:us-west-2:123456789012:memory/a-b-a1b2c3d4e5"]
)
def test_a_memory_id_or_its_arn_is_taken(memory_id):
    assert validate_memory_id(memory_id) == memory_id


@pytest.mark.parametrize(
    "memory_id", ["", "support_bot", "1bot-a1b2c3d4e5", "bot-a1b2c3d4e5 ", "bot-a1b2c3d4e5\n", None, 7]
)
def test_a_memory_id_the_service_would_refuse_is_refused_with_a_remedy(memory_id):
    with pytest.raises(ConfigurationError, match=r"memory_id = .*ensure_memory"):
        validate_memory_id(memory_id)


@given(st.text(max_size=120))
@example("a" * 100)
@example("a" * 101)
@example("a\n")
def test_session_ids_are_taken_exactly_when_memory_takes_them(session_id):
    if is_valid(DATA, "SessionId", session_id):
        assert validate_session_id(session_id) == session_id
    else:
        with pytest.raises(IdentityError, match="session_id"):
            validate_session_id(session_id)


def test_a_session_id_short_of_33_characters_is_refused_for_runtime_only():
    short = "s" * 32
    assert validate_session_id(short) == short
    with pytest.raises(IdentityError, match="33"):
        validate_session_id(short, runtime=True)
    assert validate_session_id(short + "s", runtime=True)


@given(st.text(alphabet=st.sampled_from("abZ09-_/:@.|{}* é\n"), max_size=12))
@example("a" * 255)
@example("a" * 256)
def test_actor_ids_are_taken_only_when_memory_takes_them_and_they_stay_in_their_subtree(actor_id):
    if is_valid(DATA, "ActorId", actor_id) and not set(actor_id) & set("/:"):
        assert validate_actor_id(actor_id) == actor_id
    else:
        with pytest.raises(IdentityError, match="actor_id"):
            validate_actor_id(actor_id)


@pytest.mark.parametrize("actor_id", ["ann@example.org", "google|12345", "Ann Lee", "ann.lee", "-ann", "é"])
def test_names_that_memory_refuses_are_told_of_actor_id_for(actor_id):
    with pytest.raises(IdentityError, match="actor_id_for"):
        validate_actor_id(actor_id)


@pytest.mark.parametrize("actor_id", ["team/ann", "team:ann", "/users/bob"])
def test_a_separator_needs_an_explicit_setting(actor_id):
    with pytest.raises(IdentityError):
        validate_actor_id(actor_id)


@pytest.mark.parametrize("actor_id", ["team/ann", "team:ann", "a/b:c"])
def test_hierarchical_actor_ids_are_taken_when_asked_for(actor_id):
    assert validate_actor_id(actor_id, hierarchical=True) == actor_id


@pytest.mark.parametrize("actor_id", ["team//ann", "team/", "a/:b", "/ann"])
def test_hierarchical_actor_ids_that_would_share_a_namespace_are_refused(actor_id):
    with pytest.raises(IdentityError):
        validate_actor_id(actor_id, hierarchical=True)


@pytest.mark.parametrize("actor_id", ["{actorId}", "a{b", "*", "bob*"])
@pytest.mark.parametrize("hierarchical", [True, False])
def test_placeholders_and_wildcards_are_never_taken(actor_id, hierarchical):
    with pytest.raises(IdentityError, match="placeholder or wildcard"):
        validate_actor_id(actor_id, hierarchical=hierarchical)


@pytest.mark.parametrize("actor_id", ["", None, 5])
def test_an_empty_actor_is_told_that_everyone_would_share_a_memory(actor_id):
    with pytest.raises(IdentityError, match="everyone would share"):
        validate_actor_id(actor_id)


@given(st.text(min_size=1).filter(str.strip))
@example("ann@example.org")
@example("\ud800")
def test_any_subject_becomes_a_valid_actor_id_that_is_always_the_same(subject):
    actor_id = actor_id_for(subject)
    assert validate_actor_id(actor_id) == actor_id
    assert actor_id_for(subject) == actor_id
    assert len(actor_id) == 28


def test_actor_ids_for_subjects_are_the_same_in_every_release():
    assert actor_id_for("ann@example.org") == "u-7195pbhf3m38rjrgfzeacvff96"
    assert actor_id_for("google-oauth2|1234567890") == "u-1rfrzgyymd0bvaagv9phnnqw0j"


def test_an_actor_id_does_not_show_its_subject():
    actor_id = actor_id_for("ann@example.org")
    assert not any(part in actor_id for part in ("ann", "example", "org"))


@given(st.text(min_size=1, max_size=20).filter(str.strip), st.text(min_size=1, max_size=20).filter(str.strip))
@example("Ann@example.org", "ann@example.org")
@example("ann", "ann ")
def test_different_subjects_are_different_actors(one, other):
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert (actor_id_for(one) == actor_id_for(other)) == same


@pytest.mark.parametrize("subject", ["", " ", "\n\t", None, 5])
def test_an_empty_subject_is_refused(subject):
    with pytest.raises(IdentityError, match="subject"):
        actor_id_for(subject)


@given(plain_ids, st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,39}", fullmatch=True))
def test_a_new_session_id_is_valid_for_memory_and_runtime(actor_id, purpose):
    session_id = new_session_id(actor_id, purpose)
    assert validate_session_id(session_id, runtime=True) == session_id
    assert session_id.startswith(f"{purpose}-")


def test_new_session_ids_are_unique_and_sort_by_time():
    many = [new_session_id("ann") for _ in range(2_000)]
    assert len(set(many)) == len(many)
    time.sleep(0.002)
    assert new_session_id("ann") > max(many)


def test_a_new_session_id_carries_nothing_of_the_actor():
    assert "zebediah" not in new_session_id("zebediah")
    assert re.fullmatch(r"chat-[0-9a-z]{10}-[0-9a-z]{21}", new_session_id("ann@example.org"))


@pytest.mark.parametrize("purpose", ["", "-x", "a b", "p" * 41, "é", None])
def test_a_purpose_that_cannot_be_in_a_session_id_is_refused(purpose):
    with pytest.raises(ConfigurationError, match="purpose"):
        new_session_id("ann", purpose)


def test_a_session_needs_an_actor():
    with pytest.raises(IdentityError, match="actor_id"):
        new_session_id("")
