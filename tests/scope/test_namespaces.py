import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from agentmem import Namespace
from agentmem.errors import ConfigurationError, IdentityError
from agentmem.scope.namespaces import DEFAULT_NAMESPACES, NAME_PATTERN, STRATEGY_ID_PATTERN, TOP_K_MAX, check_together
from agentmem.scope.templates import (
    RESOLVED_MAX,
    RESOLVED_PATTERN,
    TEMPLATE_MAX,
    TEMPLATE_PATTERN,
    VARIABLE_NAME_MAX,
    VARIABLE_PATTERN,
    VARIABLE_VALUE_MAX,
    VARIABLE_VALUE_PATTERN,
    VARIABLES_MAX,
    normalise,
)
from contract import is_valid, model, rules

DATA = "bedrock-agentcore"
CONTROL = "bedrock-agentcore-control"
KINDS = ["user_preference", "semantic", "summary", "episodic"]

actor_ids = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,20}", fullmatch=True)
session_ids = actor_ids
values = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
words = st.from_regex(r"[a-zA-Z0-9_-]{1,8}", fullmatch=True)
slashes = st.sampled_from(["/", "//", "///"])
segments = st.one_of(
    words,
    st.sampled_from(["{sessionId}", "{memoryStrategyId}", "{tenant}"]),
    st.tuples(words, st.sampled_from(["{sessionId}", "{tenant}"])).map("".join),
)
actor_segments = st.tuples(st.one_of(st.just(""), words), st.sampled_from(["{actorId}", "{userId}"])).map("".join)


@st.composite
def templates(draw):
    """A template as someone may write it: any slashes, the actor somewhere."""
    parts = [*draw(st.lists(segments, max_size=3)), draw(actor_segments), *draw(st.lists(segments, max_size=3))]
    written = draw(st.sampled_from(["", "/", "//"])) + parts[0]
    for part in parts[1:]:
        written += draw(slashes) + part
    return written + draw(st.sampled_from(["", "/", "//"]))


def semantic(template, **options):
    return Namespace.semantic("facts", template, variables=("tenant",), strategy_id="facts-a1b2c3d4e5", **options)


def test_the_rules_are_the_services_own():
    assert rules(CONTROL, "Namespace") == (TEMPLATE_PATTERN, 1, TEMPLATE_MAX)
    assert rules(DATA, "Namespace") == (RESOLVED_PATTERN, 1, RESOLVED_MAX)
    assert rules(CONTROL, "Name")[0] == NAME_PATTERN
    assert rules(DATA, "MemoryStrategyId") == (STRATEGY_ID_PATTERN, 1, 100)
    assert rules(DATA, "NamespaceVariableName") == (VARIABLE_PATTERN, 1, VARIABLE_NAME_MAX)
    assert rules(DATA, "NamespaceVariableValue") == (VARIABLE_VALUE_PATTERN, 1, VARIABLE_VALUE_MAX)
    create = model(CONTROL).operation_model("CreateMemory").input_shape
    assert create.members["namespaceKeys"].metadata["max"] == VARIABLES_MAX
    search = model(DATA).operation_model("RetrieveMemoryRecords").input_shape.members["searchCriteria"]
    assert search.members["topK"].metadata["max"] == TOP_K_MAX


@given(templates(), actor_ids, session_ids, values)
def test_what_is_registered_and_what_is_searched_are_valid_for_the_service(template, actor_id, session_id, tenant):
    namespace = semantic(template)
    assert is_valid(CONTROL, "Namespace", namespace.template)
    assert is_valid(DATA, "Namespace", namespace.resolve(actor_id, session_id, {"tenant": tenant}))


@given(templates(), actor_ids, session_ids, values)
def test_the_service_files_records_where_the_search_looks(template, actor_id, session_id, tenant):
    namespace = semantic(template)
    filed = (
        namespace.template.replace("{actorId}", actor_id)
        .replace("{sessionId}", session_id)
        .replace("{tenant}", tenant)
        .replace("{memoryStrategyId}", "facts-a1b2c3d4e5")
    )
    assert namespace.resolve(actor_id, session_id, {"tenant": tenant}) == filed


@given(templates(), actor_ids, actor_ids, session_ids, session_ids, values, values)
@example("/users/{actorId}", "Bob", "Bobby", "s", "s", "t", "t")
@example("/{actorId}/{sessionId}", "a", "b", "b", "a", "t", "t")
def test_no_two_actors_ever_meet(template, one, other, session, other_session, tenant, other_tenant):
    assume(one != other)
    namespace = semantic(template)
    mine = namespace.resolve(one, session, {"tenant": tenant})
    theirs = namespace.resolve(other, other_session, {"tenant": other_tenant})
    assert not mine.startswith(theirs)
    assert not theirs.startswith(mine)


@given(
    st.lists(templates(), min_size=2, max_size=2, unique_by=normalise), actor_ids, actor_ids, session_ids, session_ids
)
@example(["/{actorId}/facts", "/shared/{actorId}"], "shared", "facts", "s", "s")
def test_no_two_actors_ever_meet_across_the_namespaces_of_one_memory(written, one, other, session, other_session):
    assume(one != other)
    first, second = (semantic(template) for template in written)
    try:
        check_together([first, second.replace(name="more")])
    except ValueError:
        return  # refused, because they could
    mine = first.resolve(one, session, {"tenant": "t"})
    theirs = second.resolve(other, other_session, {"tenant": "t"})
    assert not mine.startswith(theirs)
    assert not theirs.startswith(mine)


@pytest.mark.parametrize(
    "written",
    ["/users/{actorId}/facts/", "users/{actorId}/facts", "//users///{actorId}//facts//", "/users/{userId}/facts"],
)
def test_slashes_and_user_id_make_no_difference(written):
    assert Namespace.semantic("facts", written).resolve("Bob", "s") == "/users/Bob/facts/"


@given(templates())
def test_spelling_twice_changes_nothing(template):
    assert normalise(normalise(template)) == normalise(template)


def test_a_template_that_is_registered_otherwise_can_be_kept_as_it_is():
    namespace = Namespace.semantic("facts", "support/{actorId}/facts", as_registered=True)
    assert namespace.template == "support/{actorId}/facts"
    assert namespace.resolve("ann", "s") == "support/ann/facts"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("/users/{actor}/", r"\{actor\}.*neither AgentCore's.*variables=\('actor',\)"),
        ("/users/{}/", "neither AgentCore's"),
        ("/users/{actorId", "unclosed"),
        ("/users/actorId}", "unclosed"),
        ("/users/{{actorId}}/", "unclosed"),
        ("/users/{actorId}/*", "wildcards"),
        ("/users/", r"no \{actorId\}.*shared=True"),
        ("", "no place"),
        ("///", "no place"),
        ("/users/{actorId}:x/", "besides letters"),
        ("/café/{actorId}/", "besides letters"),
        ("/{actorId}-{sessionId}/", "beside"),
        ("/" + "x" * 501 + "/{actorId}/", "at most 512"),
    ],
)
def test_a_bad_template_is_refused_with_the_reason(template, said):
    with pytest.raises(ConfigurationError, match=said):
        Namespace.semantic("facts", template)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"top_k": 0}, "top_k = 0"),
        ({"top_k": 101}, "top_k = 101.*1 to 100"),
        ({"relevance_score": 1.5}, "relevance_score = 1.5"),
        ({"relevance_score": float("nan")}, "relevance_score"),
        ({"strategy_id": "a b"}, "strategy_id"),
        ({"variables": ("Tenant",)}, "'Tenant'"),
        ({"variables": ("actorId",)}, "'actorId'"),
        ({"variables": ("a", "a")}, "names one twice"),
        ({"variables": ("a", "b", "c", "d", "e", "f")}, "variables"),
        ({"variables": ("v" * 33,)}, "variables"),
        ({"reflection_template": "/users/{actorId}/"}, "episodic"),
        ({"configuration": {}}, "configuration"),
        ({"topk": 3}, "did you mean 'top_k'"),
    ],
)
def test_a_bad_option_is_refused_with_its_name(options, said):
    with pytest.raises(ConfigurationError, match=said):
        Namespace.semantic("facts", "/users/{actorId}/facts/", **options)


@pytest.mark.parametrize("name", ["", "1st", "a-b", "a b", "n" * 49])
def test_a_name_that_no_strategy_can_have_is_refused(name):
    with pytest.raises(ConfigurationError, match="name"):
        Namespace.semantic(name, "/users/{actorId}/facts/")


def test_a_namespace_that_would_be_too_long_for_a_search_is_refused():
    namespace = Namespace.semantic("facts", "/" + "x" * 440 + "/{actorId}/{sessionId}/{actorId}/{actorId}/")
    with pytest.raises(ConfigurationError, match="1024"):
        namespace.resolve("a" * 200, "s")
    assert namespace.resolve("ann", "s")


@pytest.mark.parametrize("actor_id", ["bob/../ann", "bob/facts", "{actorId}", "*", "", "ann@example.org"])
def test_an_actor_id_cannot_lead_out_of_its_namespace(actor_id):
    with pytest.raises(IdentityError):
        Namespace.semantic("facts", "/users/{actorId}/facts/").resolve(actor_id, "s")


def test_own_variables_are_filled_in():
    namespace = Namespace.semantic("facts", "/t/{tenant}/{actorId}/", variables=("tenant",))
    assert namespace.resolve("ann", "s", {"tenant": "acme"}) == "/t/acme/ann/"


@pytest.mark.parametrize("value", ["", "Acme", "a/b", "{actorId}", "-a", "a" * 65, None])
def test_a_variable_value_that_the_service_would_refuse_is_refused(value):
    namespace = Namespace.semantic("facts", "/t/{tenant}/{actorId}/", variables=("tenant",))
    with pytest.raises(ConfigurationError, match="tenant"):
        namespace.resolve("ann", "s", {"tenant": value})


def test_a_missing_variable_is_named():
    namespace = Namespace.semantic("facts", "/t/{tenant}/{actorId}/", variables=("tenant",))
    with pytest.raises(ConfigurationError, match=r"variables\['tenant'\] is missing"):
        namespace.resolve("ann", "s")


def test_a_template_with_the_strategys_id_needs_it():
    namespace = Namespace.semantic("facts", "/strategies/{memoryStrategyId}/actors/{actorId}/")
    with pytest.raises(ConfigurationError, match="strategy_id"):
        namespace.resolve("ann", "s")
    known = namespace.replace(strategy_id="facts-a1b2c3d4e5")
    assert known.resolve("ann", "s") == "/strategies/facts-a1b2c3d4e5/actors/ann/"


def test_the_subtree_holds_all_sessions_of_one_actor_and_no_other_actors():
    summaries = Namespace.summary("summaries", "/summaries/{actorId}/{sessionId}/")
    assert summaries.subtree("ann") == "/summaries/ann/"
    assert summaries.resolve("ann", "s1").startswith(summaries.subtree("ann"))
    assert not summaries.resolve("anna", "s1").startswith(summaries.subtree("ann"))


def test_there_is_no_subtree_when_the_session_stands_before_the_actor():
    with pytest.raises(ConfigurationError, match="before"):
        Namespace.summary("summaries", "/{sessionId}/{actorId}/").subtree("ann")


def test_a_shared_namespace_is_asked_for_and_then_the_same_for_everyone():
    policies = Namespace.semantic("policies", "/company/policies", shared=True)
    assert policies.resolve("ann", "s") == policies.resolve("bob", "t") == "/company/policies/"
    with pytest.raises(ConfigurationError, match="cannot be shared"):
        Namespace.semantic("facts", "/users/{actorId}/", shared=True)


@pytest.mark.parametrize("kind", KINDS)
def test_strategies_are_what_the_control_plane_takes(kind):
    namespace = getattr(Namespace, kind)("things", "/users/{actorId}/{sessionId}/", description="Things.")
    shape = model(CONTROL).operation_model("CreateMemory").input_shape.members["memoryStrategies"].member
    [(member, body)] = namespace.strategy().items()
    assert set(body) <= set(shape.members[member].members)
    assert body["namespaceTemplates"] == ["/users/{actorId}/{sessionId}/"]
    assert body["description"] == "Things."


def test_an_episodic_strategy_may_reflect_above_its_episodes():
    episodes = Namespace.episodic(
        "episodes", "/e/{actorId}/{sessionId}/", reflection_template="e/{actorId}", description="What was tried."
    )
    reflection = episodes.strategy()["episodicMemoryStrategy"]["reflectionConfiguration"]
    assert reflection == {"namespaceTemplates": ["/e/{actorId}/"]}
    with pytest.raises(ConfigurationError, match="neither the template"):
        Namespace.episodic("episodes", "/e/{actorId}/{sessionId}/", reflection_template="/r/{actorId}/")


def test_a_custom_strategy_passes_its_configuration_on():
    configuration = {"semanticOverride": {"extraction": {"appendToPrompt": "Short.", "modelId": "m"}}}
    custom = Namespace.custom("own", "/own/{actorId}/", configuration=configuration)
    assert custom.strategy()["customMemoryStrategy"]["configuration"] == configuration
    with pytest.raises(ConfigurationError, match="configuration is needed"):
        Namespace.custom("own", "/own/{actorId}/")


def test_the_default_namespaces_keep_actors_apart():
    check_together(DEFAULT_NAMESPACES)
    resolved = {namespace.resolve("ann", "s") for namespace in DEFAULT_NAMESPACES}
    assert resolved == {"/users/ann/preferences/", "/users/ann/facts/", "/summaries/ann/s/"}


def test_two_namespaces_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two namespaces have the name 'facts'"):
        check_together([semantic("/a/{actorId}/"), semantic("/b/{actorId}/")])


def test_templates_in_which_two_actors_could_meet_are_refused_together():
    one, other = Namespace.semantic("one", "/{actorId}/facts/"), Namespace.semantic("other", "/shared/{actorId}/")
    with pytest.raises(ValueError, match="one place for two actors"):
        check_together([one, other])


def test_a_shared_namespace_inside_an_actors_is_refused():
    mine, shared = (
        Namespace.semantic("mine", "/users/{actorId}/"),
        Namespace.semantic("all", "/users/all/", shared=True),
    )
    with pytest.raises(ValueError, match="one place for two actors"):
        check_together([mine, shared])


def test_more_than_five_variables_in_all_are_refused():
    many = [
        Namespace.semantic(f"n{i}", f"/n{i}/{{actorId}}/{{v{i}}}/", variables=(f"v{i}",))
        for i in range(VARIABLES_MAX + 1)
    ]
    with pytest.raises(ValueError, match="6 variables"):
        check_together(many)
    check_together(many[:-1])
