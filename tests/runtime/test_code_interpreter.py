"""What the sandbox answers, as text; its life is tested in examples/test_runtime_agent.py."""

from agentmem import code_interpreter
from agentmem.runtime.code_interpreter import text_of
from code_interpreter_service import serve


def test_every_part_of_a_result_has_a_line():
    content = [
        {"type": "text", "text": "42"},
        {"type": "image", "mimeType": "image/png", "data": b"..."},
        {"type": "resource", "resource": {"uri": "file:///out.csv", "text": "a,b"}},
        {"type": "resource", "resource": {"uri": "file:///out.bin"}},
    ]
    assert text_of([{"content": content}]).splitlines() == [
        "42",
        "[image/png without text]",
        "a,b",
        "[file file:///out.bin]",
    ]


def test_without_content_what_the_code_printed_is_the_text():
    printed = {"stdout": "1\n", "stderr": "NameError: x", "exitCode": 1}
    assert text_of([{"content": [], "structuredContent": printed}]) == "1\n\nNameError: x"
    assert text_of([]) == ""


def test_a_very_long_result_is_cut_with_a_note(monkeypatch):

    with serve("x" * 50) as (url, called):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", url)
        with code_interpreter("us-west-2", max_characters=20) as run_python:
            assert run_python("print()") == f"{'x' * 20}\n[30 more characters were cut off]"
        assert called == ["start", "print()", "stop"]


def test_a_sandbox_that_was_never_used_is_none(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "http://127.0.0.1:1")  # nobody is there
    with code_interpreter("us-west-2"):
        pass
