"""Reads the folders in which Strands' FileSessionManager keeps sessions.

<storage>/session_<id>/session.json
<storage>/session_<id>/agents/agent_<id>/agent.json
<storage>/session_<id>/agents/agent_<id>/messages/message_<number>.json
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from agentmem.replay.conversation import ReplayFormatError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "Strands session folder"

_MESSAGE = re.compile(r"message_(\d+)\.json")


def message_files(folder: Path) -> list[Path]:
    """Return the files of an agent's messages, in their order.

    Args:
        folder: The folder of an agent, of a session with one agent, or of a storage with one such session.

    Raises:
        ReplayFormatError: It is none of them, or holds more than one; the message names them.
    """
    for pattern, what in (("session_*", "sessions"), ("agents/agent_*", "agents")):
        found = sorted(path for path in folder.glob(pattern) if path.is_dir())
        if len(found) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in found)
            raise ReplayFormatError(f"{folder} holds {len(found)} {what}; give the folder of one of them: {names}")
        folder = found[0] if found else folder
    numbered = [(int(match[1]), path) for path in folder.glob("messages/*") if (match := _MESSAGE.fullmatch(path.name))]
    if not numbered:
        raise ReplayFormatError(
            f"{folder} is a folder without messages of Strands' FileSessionManager "
            "(agents/agent_<id>/messages/message_<number>.json). Give the folder of one of its sessions, or a file."
        )
    return [path for _, path in sorted(numbered)]


def system_prompt(messages: list[Path]) -> str | None:
    """Return the agent's system prompt, which newer releases of Strands keep in ``agent.json``; None without one."""
    file = messages[0].parents[1] / "agent.json"
    if not file.is_file():
        return None
    try:
        prompt = json.loads(file.read_text(encoding="utf-8")).get("system_prompt")
    except (ValueError, AttributeError, OSError):
        return None
    return prompt if isinstance(prompt, str) else None
