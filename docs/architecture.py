"""Draws the rooms of the package and the imports between their storeys, from the source code.

    python docs/architecture.py            # print the picture's figures
    python docs/architecture.py --write    # and write docs/images/rooms.svg

A room is a package or module directly under `agentmem`. All imports count, those in functions and in annotations too.
The command fails when a room is missing from its list or when an import points to a higher storey.
"""  # noqa: INP001 - a script

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "agentmem"
PICTURE = ROOT / "docs" / "images" / "rooms.svg"

STOREYS = {
    "commands": ("cli", "inspector", "replay", "operations", "testing"),
    "public API": ("agentmem", "agent", "config", "session"),
    "deployment": ("deploy", "runtime", "streaming"),
    "integration": ("session_manager", "hook"),
    "memory": ("compaction", "recall", "records", "checkpoints", "events"),
    "values": ("scope", "settings", "messages", "meaning", "drawing"),
    "foundation": ("clients", "support", "errors", "version"),
    "apart": ("local",),
}
"""Every room, the highest storey first; inside a storey too, a room imports only from rooms to its right."""

UPWARD = {("local", "meaning"), ("local", "errors")}
"""The embedded service stands apart; these rooms are all that it shares with the rest."""

WIDTH, LEFT, BOX, GAP, BAND, TOP = 1096, 124, 134, 8, 84, 84
BARS = LEFT + 5 * (BOX + GAP) + 24
STEP = (WIDTH - BARS - 16) / (len(STOREYS) - 1)
COLOURS = ("#8957e5", "#d9822b", "#3b8eea", "#2da44e", "#d1495b", "#7d8590", "#0f8b8d")
STYLE = """\
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #7d8590; }
.title { font-size: 19px; font-weight: 600; }
.sub { font-size: 13px; }
.panel { font-size: 13px; font-weight: 600; }
.tick { font-size: 11.5px; }
.band { fill: #7d8590; fill-opacity: .08; }
.room { fill: #3b8eea; fill-opacity: .16; stroke: #3b8eea; stroke-opacity: .7; }
.bar { fill: none; stroke-width: 1.6; }
"""


@dataclass
class Rooms:
    """The rooms of the package.

    Attributes:
        lines: Lines of code by room.
        imports: Number of imports of one room's modules by another's, by both names.
    """

    lines: Counter[str]
    imports: Counter[tuple[str, str]]


def read(source: Path) -> Rooms:
    """Read the lines and the imports of every room.

    Args:
        source: The folder of the package.

    Returns:
        The rooms that are there.
    """
    rooms = Rooms(Counter(), Counter())
    for path in sorted(source.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        room = _room(path.relative_to(source).with_suffix("").parts)
        rooms.lines[room] += text.count("\n")
        for name in _imported(ast.parse(text)):
            used = _room(tuple(name.split(".")[1:]))
            if used != room:
                rooms.imports[room, used] += 1
    return rooms


def problems(rooms: Rooms) -> list[str]:
    """Return one sentence for each room without a storey and each import that points up."""
    order = [room for storey in STOREYS.values() for room in storey]
    missing = [f"{room} has no storey in docs/architecture.py" for room in rooms.lines if room not in order]
    upward = [
        f"{room} imports {used}, which is above it"
        for room, used in rooms.imports
        if {room, used} <= set(order) and order.index(used) < order.index(room) and (room, used) not in UPWARD
    ]
    return sorted([*missing, *upward])


def draw(rooms: Rooms) -> str:
    """Draw the storeys, with a line from each to the storeys that it imports from.

    Args:
        rooms: The rooms to draw; a room that is not there is left out.

    Returns:
        The picture as SVG.
    """
    height = TOP + len(STOREYS) * BAND + 8
    total = sum(rooms.lines.values())
    label = f"{len(rooms.lines)} rooms on {len(STOREYS)} storeys, {total:,} lines; imports point down"
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-label="{label}">'
        ),
        f"<style>\n{STYLE}</style>",
        _text("title", 20, 28, "The rooms of agentmem"),
        _text("sub", 20, 50, f"{label}. Under each name: lines of code."),
        _text("panel", WIDTH - 24, 74, "number of imports, from ● down to ▼", "end"),
    ]
    for floor, (name, storey) in enumerate(STOREYS.items()):
        top = TOP + floor * BAND
        parts.append(f'<rect class="band" x="12" y="{top}" width="{WIDTH - 24}" height="{BAND - 8}" rx="6"/>')
        parts.append(_text("panel", 24, top + 43, name))
        there = [room for room in storey if room in rooms.lines]
        for place, room in enumerate(there):
            x = LEFT + place * (BOX + GAP)
            parts.append(f'<rect class="room" x="{x}" y="{top + 16}" width="{BOX}" height="44" rx="5"/>')
            parts.append(_text("panel", x + BOX / 2, top + 35, room, "middle"))
            parts.append(_text("tick", x + BOX / 2, top + 52, f"{rooms.lines[room]:,}", "middle"))
    last = TOP + (len(STOREYS) - 1) * BAND
    parts.append(_text("tick", LEFT + BOX + GAP, last + 35, "AgentCore Memory, embedded in the process."))
    parts.append(_text("tick", LEFT + BOX + GAP, last + 51, "Other rooms call it through a boto3 session."))
    parts += [line for floor in range(len(STOREYS) - 1) for line in _bar(rooms, floor)]
    return "\n".join([*parts, "</svg>", ""])


def _bar(rooms: Rooms, floor: int) -> list[str]:
    """Draw a line down from a storey with an arrow and a number at each storey that it imports from."""
    storeys = list(STOREYS.values())
    counts = {
        lower: sum(rooms.imports[room, used] for room in storeys[floor] for used in storeys[lower])
        for lower in range(floor + 1, len(storeys))
    }
    reached = [lower for lower, count in counts.items() if count]
    if not reached:
        return []
    x = BARS + floor * STEP + 12
    middle = [TOP + number * BAND + (BAND - 8) / 2 for number in range(len(storeys))]
    colour = COLOURS[floor]
    parts = [
        f'<circle cx="{x:.0f}" cy="{middle[floor]:.0f}" r="5" fill="{colour}"/>',
        f'<path class="bar" stroke="{colour}" d="M{x:.0f} {middle[floor]:.0f}V{middle[reached[-1]]:.0f}"/>',
    ]
    for lower in reached:
        y = middle[lower]
        points = f"{x - 5:.0f},{y - 4:.0f} {x + 5:.0f},{y - 4:.0f} {x:.0f},{y + 5:.0f}"
        parts.append(f'<polygon fill="{colour}" points="{points}"/>')
        parts.append(_text("tick", x + 8, y + 4, str(counts[lower])))
    return parts


def _text(kind: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'


def _room(parts: tuple[str, ...]) -> str:
    """Return the room of a module, given the parts of its name below `agentmem`."""
    return parts[0] if parts and parts[0] != "__init__" else "agentmem"


def _imported(tree: ast.Module) -> list[str]:
    """Return the names of this package's modules that a module imports, one for each import statement."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "agentmem":
            found += [f"agentmem.{alias.name}" if _is_module(alias.name) else "agentmem" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return [name for name in found if name.split(".")[0] == "agentmem"]


def _is_module(name: str) -> bool:
    return (SOURCE / f"{name}.py").exists() or (SOURCE / name).is_dir()


def main() -> int:
    """Print the figures, and write the picture if asked.

    Returns:
        0 when every import points down, 1 when one does not.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/images/rooms.svg")
    arguments = parser.parse_args()
    rooms = read(SOURCE)
    for room, lines in rooms.lines.most_common():
        used = Counter({other: count for (one, other), count in rooms.imports.items() if one == room})
        names = ", ".join(f"{other} {count}" for other, count in used.most_common())
        sys.stdout.write(f"{room:<16}{lines:>6} lines  imports {names or 'nothing'}\n")
    wrong = problems(rooms)
    for problem in wrong:
        sys.stderr.write(f"{problem}\n")
    if arguments.write:
        PICTURE.write_text(draw(rooms), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
