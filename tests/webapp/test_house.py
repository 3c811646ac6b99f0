"""The rules of the house: what may import what, what no file may say, how every room opens.

They are read from the files themselves, so that a new file keeps them without being listed anywhere.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]

#: a room imports only rooms that stand before it
FLOORS = (
    "errors schema hot xmlgate feel dmn policies calendars history platform bpmn lint store people access forms "
    "documents jobs tasks copies signers messages datastores services repository runtime batches cases evidence sharing mailbox "
    "notifications indicators archive retention handlers worker demo assembly"
).split()

ENGINE = sorted((HOME / "engine").rglob("*.py"))
WEBAPP = sorted(path for path in (HOME / "webapp").rglob("*.py") if "node_modules" not in path.parts)
PYTHON = sorted({*ENGINE, *WEBAPP, *(HOME / "tests").rglob("*.py"), *(HOME / "benchmarks").rglob("*.py")})
PROCESSES = sorted(path.name for path in (HOME / "processes").iterdir() if path.is_dir())


def name_of(path: Path) -> str:
    return str(path.relative_to(HOME))


def room_of(path: Path) -> str:
    return path.relative_to(HOME / "engine").parts[0].removesuffix(".py")


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    """Every module that a file imports, `from engine import x` as engine.x."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def tracked() -> list[Path]:
    """The files of the project: what git would keep, also before the first commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=HOME, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [HOME / line for line in listed.stdout.splitlines() if (HOME / line).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path, path.read_text("utf-8")))
        except UnicodeDecodeError:
            continue
    return found


# --- who may import whom ----------------------------------------------------------------------
@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_imports_run_from_lower_floors_to_higher_ones_never_back(path):
    here = room_of(path)
    if here == "__init__":
        return
    assert here in FLOORS, f"{here} stands on no floor of the house: name it in FLOORS"
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("engine.")}
    above = {room for room in rooms if room != here and FLOORS.index(room) > FLOORS.index(here)}
    assert not above, f"{here} imports {sorted(above)}, which stand on later floors"


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_the_engine_knows_no_web(path):
    assert not {
        name for name in imports(path) if name.split(".")[0] in ("flask", "apiflask", "werkzeug", "webapp")
    }


@pytest.mark.parametrize("path", WEBAPP, ids=name_of)
def test_the_web_layer_knows_neither_the_engine_below_nor_the_database(path):
    roots = {name.split(".")[0] for name in imports(path)}
    assert "SpiffWorkflow" not in roots
    if "migrations" not in path.parts:  # the history of the tables has to speak of tables
        assert not roots & {"sqlalchemy", "psycopg", "sqlite3", "alembic"}


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_one_package_knows_spiffworkflow(path):
    if room_of(path) != "bpmn":
        assert "SpiffWorkflow" not in {name.split(".")[0] for name in imports(path)}


# --- what no file says ------------------------------------------------------------------------
@pytest.mark.parametrize("path", [*ENGINE, *WEBAPP], ids=name_of)
def test_no_process_id_appears_in_python(path):
    """What differs per process is BPMN, DMN, form or policy; the demo organisation names none either."""
    strings = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8")))
               if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip
    assert not strings & set(PROCESSES)


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_nothing_is_evaluated_as_python(path):
    calls = {getattr(node.func, "id", None) for node in ast.walk(ast.parse(path.read_text("utf-8")))
             if isinstance(node, ast.Call)}  # fmt: skip
    assert not calls & {"eval", "exec", "__import__"}


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_every_room_opens_with_its_story(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) or not tree.body, f"{name_of(path)} opens without a docstring"


def test_no_host_of_a_registry_is_named():
    hosts = re.compile(
        r"registry\.(npm" r"js|yarnpkg)|npmmirror|py" r"pi\.org|python" r"hosted|proxy\.golang|crates\.io", re.I
    )
    me = Path(__file__).resolve()
    assert not [name_of(path) for path, text in texts() if path != me and hosts.search(text)]


def test_the_lock_of_the_browser_packages_names_no_host():
    lock = json.loads((HOME / "webapp/frontend/package-lock.json").read_text("utf-8"))
    assert not {key for entry in lock["packages"].values() for key in entry} & {"resolved", "funding"}
    assert all("integrity" in entry for name, entry in lock["packages"].items() if name)


def test_nothing_is_left_for_later():
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
    assert not [name_of(path) for path, text in texts() if marks.search(text)]


def test_no_path_of_a_developers_machine_is_named():
    homes = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/(?!\.)")
    me = Path(__file__).resolve()
    assert not [name_of(path) for path, text in texts() if path != me and homes.search(text)]


# --- how it reads -----------------------------------------------------------------------------
def lengths(path: Path) -> list[int]:
    return [
        node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("folder", ["engine", "webapp"])
def test_functions_are_short(folder):
    found = sorted(n for path in {"engine": ENGINE, "webapp": WEBAPP}[folder]
                   if "versions" not in path.parts for n in lengths(path))  # fmt: skip
    assert found[len(found) // 2] <= 10, "the median function is too long"
    assert found[int(len(found) * 0.9)] <= 30, "nine of ten functions are under 30 lines"
