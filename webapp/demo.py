"""The demo organisation of a fresh installation: invented people with passwords drawn at random.

`make` organises an empty database once and writes logins and passwords into `demo-people.txt` beside the
database, readable by its owner alone, so that a later start can print them again. A database that has
people already is left as it is.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from engine import demo, people

#: without letters and digits that are mistaken for each other
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def path(platform) -> Path:
    return platform.settings.var / "demo-people.txt"


def make(platform) -> bool:
    """Organise an empty database; False when it has people already."""
    with platform.work(people.SYSTEM, reason="demo organisation") as work:
        if people.find(work, "", 1):
            return False
        demo.organise(work)
        rows = people.find(work, "", 1000)
        # written before the commit: people without passwords that anyone knows would be of no use
        _write(path(platform), [_with_password(work, row) for row in rows])
    return True


def read(platform) -> str:
    """What was written then, for printing."""
    file = path(platform)
    return file.read_text("utf-8").rstrip() if file.exists() else "  (their passwords were not kept)"


def _with_password(work, row) -> str:
    password = "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(3))
    people.set_password(work, row["id"], password)
    groups = ", ".join(sorted(people.actor(work, row["id"]).groups))
    return f"  {row['login']:<12} {password:<19} {row['name']}  {groups}"


def _write(file: Path, lines: list[str]) -> None:
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
