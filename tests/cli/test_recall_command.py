"""`agentmem recall`: messages of a session, found by a plain question."""


def test_a_question_finds_what_was_said(look):
    done = look("recall", "where does Ann live?", "--actor", "ann", "--session", "ann-1")
    assert done.exit_code == 0
    assert "My name is Ann and I live in Porto." in done.output
    assert "handle" in done.output


def test_it_says_why_and_prints_json(look):
    found = look.json("recall", "blue boats", "--actor", "ann", "--session", "ann-1", "--explain")
    assert any("A [blue] boat is a boat that is blue." in one["text"] for one in found)
    assert all(one["why"] for one in found)
    assert {"handle", "event_id", "at", "role", "text", "why"} == set(found[0])


def test_a_handle_returns_the_whole_message(look):
    [found, *_] = look.json("recall", "Porto", "--actor", "ann", "--session", "ann-1")
    [whole] = look.json("recall", found["handle"], "--actor", "ann", "--session", "ann-1")
    assert whole["text"] == "My name is Ann and I live in Porto."


def test_nothing_of_the_kind_is_said_plainly(look):
    done = look("recall", "zeppelin", "--actor", "ann", "--session", "ann-1")
    assert done.exit_code == 0
    assert "nothing in session 'ann-1' of actor 'ann' matches" in done.output
