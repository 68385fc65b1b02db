"""Turns errors into one line for the user of the command line, with the remedy and without a traceback."""

from __future__ import annotations


def explained(error: BaseException) -> str | None:
    """Return the message for an error the user can do something about.

    Args:
        error: Anything that was raised.

    Returns:
        One line or a few; None for a mistake of ours, which is better shown with its traceback.
    """
    import sqlite3

    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    from agentmem.errors import AgentMemError
    from agentmem.operations.remedies import remedy_of

    said: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        # Strands wraps what happens inside its event loop, and our errors what the clients raise.
        if isinstance(cause, BotoCoreError | ClientError | ResponseParserError):
            return " ".join(
                filter(None, (*(said or [_sentence(str(cause) or type(cause).__name__)]), remedy_of(cause)))
            )
        if isinstance(cause, AgentMemError | BrokenPipeError):
            said = said or [_sentence(str(cause) or type(cause).__name__)]
        elif isinstance(cause, UnicodeDecodeError):
            said = said or [f"the input is not UTF-8 text (byte {cause.start + 1} of what was read). Save it as UTF-8."]
        elif isinstance(cause, OSError) and cause.filename is not None:
            said = said or [f"{cause.filename}: {cause.strerror}. Give a path that this user may use."]
        elif isinstance(cause, sqlite3.Error):
            said = said or [
                f"a database file cannot be used ({cause}). Is its disk full, or is the file not agentmem's?"
            ]
        cause = cause.__cause__
    return " ".join(said) or None


def _sentence(text: str) -> str:
    text = text.rstrip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
