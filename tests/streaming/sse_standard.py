"""Server-Sent Events, read as the HTML standard says."""

from __future__ import annotations


def read_by_the_standard(stream):
    """Read Server-Sent Events as the HTML standard says, without anything of ours: (name, data, id) of each."""
    found, data, name, last_id = [], [], "", ""
    for line in stream.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            if data:
                found.append((name or "message", "\n".join(data), last_id))
            data, name = [], ""
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
            elif field == "id":
                last_id = value
    return found
