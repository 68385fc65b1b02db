"""`agentmem chat`: it remembers, shows what memory does, talks to every provider, and always ends with all saved."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from filled import refused
from typer.testing import CliRunner

from agentmem import MemoryConfig, UnsentMessagesError
from agentmem.cli.app import app
from agentmem.cli.chat.conversation import Conversation
from agentmem.cli.chat.loop import Chat
from agentmem.local import LocalMemory
from agentmem.testing.offline_model import DOES_NOT_KNOW, OfflineModel
from providers import USAGE, Endless, Provider

STORY = "A long report about the harbour of Bergen, number {}: " + "ships come and ships go. " * 40


def chat(folder, *said, status=0, options=(), **environment):
    """Hold a conversation in this process and return its lines, by kind."""
    arguments = ["chat", "--local", folder, "--json", *options]
    done = CliRunner().invoke(app, [str(one) for one in arguments], input="\n".join(said), env=environment)
    assert done.exit_code == status, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def of(kind, lines):
    return [line for line in lines if line["kind"] == kind]


def answers(lines):
    return [turn["answer"] for turn in of("turn", lines)]


def process(*arguments, **options):
    code = "from agentmem.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "chat", *map(str, arguments)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "OPENAI_API_KEY": "none", "TERM": "dumb"}, **options,
    )  # fmt: skip


def test_what_one_process_was_told_another_goes_on_with_and_a_new_session_has_learnt(tmp_path):
    other = process("--local", tmp_path, "--actor", "ana", "--session", "s-1", stdin=subprocess.PIPE)
    said, _ = other.communicate("I live in Porto.\n\nMy locker code is 4711.\n")
    assert other.returncode == 0
    assert said.count("agent: Noted.") == 2
    assert "4 messages saved, 0 pending" in said
    assert "--actor ana --session s-1]" in said

    lines = chat(tmp_path, "What is my locker code?", options=("--actor", "ana", "--session", "s-1"))
    assert of("opened", lines)[0]["messages"] == 4
    assert "4711" in answers(lines)[0]

    lines = chat(tmp_path, "Where do I live?", options=("--actor", "ana"))
    assert answers(lines) == ["I live in Porto."]
    [retrieved] = of("retrieved", lines)
    assert retrieved["records"][0]["namespace"] == "/users/ana/facts/"
    lines = chat(tmp_path, "Where do I live?", options=("--actor", "bob"))
    assert answers(lines) == [DOES_NOT_KNOW]
    assert of("retrieved", lines) == []


def test_compactions_are_shown_as_they_happen_and_the_folded_can_be_recalled(tmp_path):
    said = [STORY.format(number) for number in range(8)]
    lines = chat(tmp_path, *said, "/recall number 0", "/status", options=("--token-threshold", 2_000))
    happened = of("compacted", lines)
    assert happened
    for one in happened:
        assert one["trigger"] == "threshold"
        assert one["tokens_after"] < one["tokens_before"]
        assert len(one["messages"]) == one["folded"]
        # Before the answer of the turn whose request would have been too large.
        assert lines.index(one) < lines.index(next(t for t in of("turn", lines) if lines.index(t) > lines.index(one)))
    assert happened[0]["messages"][0].startswith("user: A long report about the harbour of Bergen, number 0")
    assert max(turn["tokens"] for turn in of("turn", lines)) <= 2_000
    assert {turn["token_threshold"] for turn in of("turn", lines)} == {2_000}
    [recalled] = of("recalled", lines)
    assert STORY.format(0).strip() in [one["text"] for one in recalled["messages"]]
    assert of("status", lines)[0]["folded"] == sum(one["folded"] for one in happened)


def test_commands_do_what_help_says_of_them(tmp_path):
    lines = chat(tmp_path, "/help", "/memories", "I live in Porto.", "/memories Porto", "/compact", "/quit", "Unheard.")
    assert set(of("help", lines)[0]["commands"]) == {"/help", "/status", "/recall", "/memories", "/compact", "/quit"}
    before, after = of("memories", lines)
    assert before["records"] == []
    assert "I live in Porto." in [record["text"] for record in after["records"]]
    assert of("compacted", lines) == [{"kind": "compacted"}]
    assert [line["text"] for line in of("user", lines)] == ["I live in Porto."]
    assert lines[-1]["kind"] == "closed"


def test_what_looks_like_a_command_and_is_none_is_refused_unless_doubled(tmp_path):
    lines = chat(tmp_path, "/sttaus", "/recall", "//etc is a folder.", status=1)
    assert ["there is no command /sttaus" in error["message"] for error in of("error", lines)] == [True, False]
    assert "/recall WORDS" in of("error", lines)[1]["message"]
    assert [line["text"] for line in of("user", lines)] == ["/etc is a folder."]


def test_compaction_by_hand_is_told(tmp_path):
    said = [STORY.format(number) for number in range(6)]
    lines = chat(tmp_path, *said, "/compact", options=("--token-threshold", 3_000))
    [done] = of("compacted", lines)
    assert done["trigger"] == "manual"
    assert done["folded"] > 0
    assert lines[-1]["folded"] == done["folded"]


def test_text_shows_the_same_as_json(tmp_path):
    said = [STORY.format(number) for number in range(6)]
    arguments = ["chat", "--local", str(tmp_path), "--token-threshold", "2000"]
    lines = ["I live in Porto.", "Where do I live?", *said, "/recall harbour", "/memories", "/status", "/help"]
    shown = CliRunner().invoke(app, arguments, input="\n".join(lines)).stdout
    for expected in (
        "you: I live in Porto.", "agent: Noted.", "[retrieved: ", "0 pending]", " of 2,000 tokens (", "in 1 model call",
        "[compacted (threshold): ", "  folded: user: ", "[user, 20", "/users/me/facts/ I live in Porto.",
        "folded into the summary]", "[/recall    WORDS: find", "[ended; ", "[go on with: agentmem chat --local ",
    ):  # fmt: skip
        assert expected in shown, expected


# ---- providers


def test_an_openai_compatible_server_answers_with_memory_tools_and_thinking_left_out(tmp_path):
    script = ["<thinking>Hm.</thinking>Noted, Porto.", ("recall_session", {"query": "Porto"}), "You live in Porto."]
    with Provider(script).running() as provider:
        options = ("--model", "openai:tiny", "--base-url", f"{provider.url}/v1")
        lines = chat(tmp_path, "I live in Porto.", "Where do I live?", options=options)
    assert answers(lines) == ["Noted, Porto.", "You live in Porto."]
    assert "".join(piece["text"] for piece in of("text", lines)) == "Noted, Porto.You live in Porto."
    assert of("tool", lines) == [{"kind": "tool", "name": "recall_session", "input": {"query": "Porto"}}]
    assert [turn["requests"] for turn in of("turn", lines)] == [1, 2]
    assert {turn["tokens"] for turn in of("turn", lines)} == {USAGE[0]}
    first, second, third = provider.requests
    assert {request["model"] for request in provider.requests} == {"tiny"}
    assert first["messages"][0] == {"role": "system", "content": "You are a helpful assistant."}
    assert "I live in Porto." in json.dumps(second["messages"][-1])
    assert "I live in Porto." in json.dumps(third["messages"][-1])
    assert second["tools"][0]["function"]["name"] == "recall_session"


def test_ollama_is_found_by_address_or_by_its_own_variable(tmp_path):
    with Provider(["Noted.", "You live in Porto."]).running() as provider:
        by_option = ("--model", "ollama:tiny", "--base-url", provider.url)
        assert answers(chat(tmp_path, "I live in Porto.", options=by_option)) == ["Noted."]
        lines = chat(tmp_path, "Where do I live?", options=("--model", "ollama:tiny"), OLLAMA_HOST=provider.url)
    assert answers(lines) == ["You live in Porto."]
    assert of("turn", lines)[0]["tokens"] == USAGE[0]
    assert provider.requests[1]["model"] == "tiny"
    assert "I live in Porto." in json.dumps(provider.requests[1]["messages"][-1])


@pytest.mark.parametrize("model", ["amazon.tiny-v1:0", "bedrock:amazon.tiny-v1:0"])
def test_any_other_name_is_a_model_on_bedrock(model, tmp_path):
    with Provider(["Noted."]).running() as provider:
        environment = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": provider.url, "AWS_REGION": "us-west-2"}
        lines = chat(tmp_path, "I live in Porto.", options=("--model", model), **environment)
    assert answers(lines) == ["Noted."]
    assert of("turn", lines)[0]["tokens"] == USAGE[0]
    assert provider.requests[0]["messages"][0]["content"][0] == {"text": "I live in Porto."}


def test_a_turn_that_fails_is_told_and_the_conversation_goes_on(tmp_path):
    with Provider([400, "Hello."]).running() as provider:
        options = ("--model", "openai:tiny", "--base-url", f"{provider.url}/v1")
        lines = chat(tmp_path, "One.", "Two.", status=1, options=options)
    assert len(of("error", lines)) == 1
    assert "400" in of("error", lines)[0]["message"]
    assert answers(lines) == ["Hello."]
    assert lines[-1]["pending"] == 0


@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_a_provider_that_is_not_installed_is_named_with_the_remedy(provider, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, provider, None)
    monkeypatch.delitem(sys.modules, f"strands.models.{provider}", raising=False)
    message = refused(monkeypatch, capsys, "chat", "--local", tmp_path, "--model", f"{provider}:tiny")
    assert f"pip install 'strands-agents[{provider}]'" in message


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--model", "openai:tiny"], "OPENAI_API_KEY"),
        (["--model", "ollama:"], "the model's name is missing"),
        (["--base-url", "http://127.0.0.1:1"], "only openai:NAME and ollama:NAME have one"),
        (["--model", "amazon.tiny-v1:0"], "no AWS credentials were found. Sign in"),
        (["--actor", "ana@example.org"], "actor_id"),
    ],
)
def test_a_model_or_actor_that_cannot_be_is_refused_with_the_remedy(options, expected, tmp_path, monkeypatch, capsys):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert expected in refused(monkeypatch, capsys, "chat", "--local", tmp_path / "memory", *options)


# ---- memory


def test_it_is_the_same_over_http(monkeypatch):
    with LocalMemory() as memory, memory.serve() as server:
        for name, value in {**server.env(), "AWS_REGION": "us-west-2"}.items():
            monkeypatch.setenv(name, value)
        config = MemoryConfig.local(memory)
        arguments = ["chat", "--json", "--memory-id", config.memory_id]
        for said, expected in (("I live in Porto.", "Noted."), ("Where do I live?", "I live in Porto.")):
            done = CliRunner().invoke(app, arguments, input=said)
            assert done.exit_code == 0, done.output
            assert answers([json.loads(line) for line in done.stdout.splitlines()]) == [expected]


def test_placeholders_of_the_configuration_are_given_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agentmem.toml").write_text(
        "local_path = 'memory'\n[[namespaces]]\nname = 'facts'\nkind = 'semantic'\n"
        "template = '/teams/{team}/{actorId}/'\nvariables = ['team']\n"
    )
    done = CliRunner().invoke(app, ["chat", "--json", "--variable", "team=red"], input="I live in Porto.\n/memories")
    assert done.exit_code == 0, done.output
    [memories] = of("memories", [json.loads(line) for line in done.stdout.splitlines()])
    assert [record["namespace"] for record in memories["records"]] == ["/teams/red/me/"]
    waited = CliRunner().invoke(app, ["wait", "facts", "--actor", "me", "--variable", "team=red", "--json"])
    assert [record["namespace"] for record in json.loads(waited.stdout)] == ["/teams/red/me/"]
    refusal = CliRunner().invoke(app, ["chat", "--variable", "team"])
    assert "'team' is not NAME=VALUE" in refusal.output


def test_a_memory_on_aws_is_not_made(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "no memory is configured" in refused(monkeypatch, capsys, "chat")


class Silent:
    """A view that keeps the names of what it was told."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *arguments: self.told.append(name)


def test_what_cannot_be_saved_ends_it_with_an_error_that_counts():
    memory = LocalMemory()
    config = MemoryConfig.local(memory, namespaces=())
    conversation = Conversation(config.bind("ana", "s-1"), OfflineModel(), system_prompt="You help.")
    lines = iter(["I live in Porto."])
    view = Silent()
    chatting = Chat(conversation, view, lambda: next(lines, None), explain=str)
    with memory.faults.inject("access_denied", "CreateEvent"), pytest.raises(UnsentMessagesError) as error:
        chatting.run()
    assert error.value.count == 2
    assert "closed" not in view.told
    conversation.close()
    assert conversation.status().saved == 2


# ---- the end


def listening(folder, provider):
    """Start a conversation on a terminal of its own, without long-term memory."""
    terminal, its_end = pty.openpty()
    file = folder / "agentmem.toml"
    file.write_text(f"local_path = '{folder}'\nnamespaces = []\n")
    options = ("--session", "s-1", "--model", "openai:tiny", "--base-url", f"{provider.url}/v1")
    started = process("--config", file, *options, stdin=its_end, preexec_fn=os.setsid)
    os.close(its_end)
    return started, terminal


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def saved(folder):
    """What the log holds."""
    config = MemoryConfig.local(folder, namespaces=())
    return [one.text for one in config.bind("me", "s-1").recall("story Porto", max_tokens=10_000)]


def test_ctrl_c_stops_an_answer_first_and_then_ends_with_everything_saved(tmp_path):
    with Provider([Endless(), "Hello again."]).running() as provider:
        started, terminal = listening(tmp_path, provider)
        os.write(terminal, b"Tell me a story.\n")
        until(lambda: provider.requests)
        time.sleep(0.3)
        started.send_signal(signal.SIGINT)
        os.write(terminal, b"I live in Porto.\n")
        until(lambda: len(provider.requests) == 2)
        time.sleep(0.3)
        started.send_signal(signal.SIGINT)
        shown, _ = started.communicate(timeout=30)
        os.close(terminal)
    assert started.returncode == 0
    assert "and so on" in shown
    assert "stopped" in shown
    assert "Hello again." in shown
    assert "0 pending" in shown.rpartition("ended; ")[2]
    assert {"Tell me a story.", "I live in Porto."} <= set(saved(tmp_path))


def test_being_told_to_terminate_in_the_middle_of_an_answer_saves_what_was_said(tmp_path):
    with Provider([Endless()]).running() as provider:
        started, terminal = listening(tmp_path, provider)
        os.write(terminal, b"Tell me a story.\n")
        until(lambda: provider.requests)
        started.send_signal(signal.SIGTERM)
        shown, _ = started.communicate(timeout=30)
        os.close(terminal)
    assert started.returncode == 0
    assert "ended; " in shown
    assert "Tell me a story." in saved(tmp_path)
