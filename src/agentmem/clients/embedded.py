"""Opens the embedded service; all other rooms reach it through a boto3 session."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    import boto3

    from agentmem.local import LocalMemory

REGION = "us-east-1"
"""The region of memories in the embedded service when nothing names another."""

MEMORY = ":memory:"
SERVICE = "_agentmem_service"
"""The attribute by which a boto3 session keeps its embedded service alive."""

DATABASE = "memory.db"
"""The file inside a folder that is given."""

_open: WeakValueDictionary[str, LocalMemory] = WeakValueDictionary()
_lock = threading.Lock()


def database_path(path: str | Path) -> Path:
    """Return the database file that a path of an embedded memory means: itself (``*.db``), or the one in the folder."""
    file = Path(path).expanduser().resolve()
    return file if file.suffix == ".db" else file / DATABASE


def open_session(
    path: str | Path | LocalMemory, region: str | None, *, memory: str | None = None, default: str | None = None
) -> tuple[str, boto3.Session]:
    """Open the embedded service at a path, or the one this process has open there.

    Args:
        path: A folder, a database file in one (``*.db``), ``:memory:`` for a new service in memory, or a `LocalMemory`.
        region: The region of the session; None for that of the memory.
        memory: Name or id of the memory whose region it is; that of any memory unless given.
        default: The region to prefer when the memory is in several, and to take when it is in none; us-east-1 unless
            given.

    Returns:
        The database's path as text, absolute unless it is ``:memory:``, and a boto3 session whose AgentCore calls stay
        in the process. The service lives as long as the session.
    """
    from agentmem.local import LocalMemory

    if isinstance(path, LocalMemory):
        service, place = path, path.path if path.path == MEMORY else str(Path(path.path).resolve())
    elif str(path) == MEMORY:
        service, place = LocalMemory(MEMORY), MEMORY
    else:
        place = str(database_path(path))
        with _lock:
            service = _open.get(place) or LocalMemory(place)
            _open[place] = service
    session = service.boto_session(region or _home(service, memory, default))
    session.__dict__[SERVICE] = service  # keeps the entry in `_open` while the session is in use
    return place, session


def _home(service: LocalMemory, memory: str | None, default: str | None) -> str:
    """Choose a region: one that only the environment names must not hide the history that another one has."""
    regions = service.regions_of(memory)
    return regions[0] if len(regions) == 1 and default not in regions else default or REGION


def drop_actor(session: boto3.Session, memory_id: str, actor_id: str) -> bool:
    """Let the embedded service behind a session forget that an actor was there; its records are left.

    Args:
        session: A boto3 session.
        memory_id: The memory.
        actor_id: The actor.

    Returns:
        False when the session is of another service, which removes emptied sessions itself after a day.
    """
    service: LocalMemory | None = session.__dict__.get("_agentmem_service")
    if service is not None:
        service.drop_actor(memory_id, actor_id)
    return service is not None
