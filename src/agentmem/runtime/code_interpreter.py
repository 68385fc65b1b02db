"""Gives an agent AgentCore's Code Interpreter as a tool, and stops the sandbox in the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from strands import tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from boto3 import Session
    from strands.types.tools import AgentTool

MAX_CHARACTERS = 100_000
"""As many as a session manager lets stand in one block (`CompactionConfig.hard_tool_content_length`)."""


@contextmanager
def code_interpreter(
    region: str, *, boto_session: Session | None = None, max_characters: int = MAX_CHARACTERS
) -> Iterator[AgentTool]:
    """Give a tool that runs Python in AgentCore's sandbox, and stop the sandbox afterwards, whatever happens.

    The sandbox starts with the first call; variables and files stay from call to call. The result is text: what the
    code prints and its errors, with a placeholder for each image and file. Long output needs no care: the session
    manager shortens it as any tool's, and it can be recalled.

    Args:
        region: The sandbox's AWS region.
        boto_session: The boto3 session; None for the default one.
        max_characters: The longest result in characters; the end of a longer one is cut off, with a note.

    Yields:
        The tool ``run_python``.
    """
    from bedrock_agentcore.tools.code_interpreter_client import CodeInterpreter

    sandbox = CodeInterpreter(region, session=boto_session)

    @tool
    def run_python(code: str) -> str:
        """Run Python code in a sandbox; variables and files stay from call to call.

        Args:
            code: The code; what it prints is returned.
        """
        output = text_of(event["result"] for event in sandbox.execute_code(code)["stream"] if "result" in event)
        left = len(output) - max_characters
        return output if left <= 0 else f"{output[:max_characters]}\n[{left:,} more characters were cut off]"

    try:
        yield run_python
    finally:
        sandbox.stop()  # a sandbox that was never used is none


def text_of(results: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of the sandbox's results.

    Args:
        results: Members ``result`` of the stream of InvokeCodeInterpreter.

    Returns:
        The text of their content, a line for each part; where a result has no content, its ``stdout`` and ``stderr``.
    """
    parts: list[str] = []
    for result in results:
        said = [_part(item) for item in result.get("content", ())]
        if not said:
            printed = result.get("structuredContent", {})
            said = [printed.get("stdout", ""), printed.get("stderr", "")]
        parts += [part for part in said if part]
    return "\n".join(parts)


def _part(item: Mapping[str, Any]) -> str:
    if "text" in item:
        return str(item["text"])
    if "resource" in item:
        resource = item["resource"]
        return str(resource.get("text") or f"[file {resource.get('uri', 'without a name')}]")
    return f"[{item.get('mimeType') or item.get('type') or 'content'} without text]"
