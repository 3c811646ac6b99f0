"""What the walks of the processes share: stories are walked once per file and then asked many things.

`walked(process_key, story)` walks a story on a database of its own and gives the walk; asked again for the
same story it gives the same walk, so that a test may ask for all of them and pay only for what nobody walked.
After every test on `demo` the whole log must still be what was written.
"""

from __future__ import annotations

import shutil

import pytest

from engine import history, people
from tests.conftest import open_at
from tests.processes.walk import Walk


@pytest.fixture(autouse=True)
def the_log_is_whole(request):
    opened = request.getfixturevalue("demo") if "demo" in request.fixturenames else None
    yield
    if opened is not None:
        with opened.read(people.SYSTEM) as work:
            assert history.verify(work).faults == ()


@pytest.fixture(scope="module")
def walked(demo_files, tmp_path_factory):
    opened, known = [], {}

    def walk(process_key: str, story) -> Walk:
        if id(story) not in known:
            var = tmp_path_factory.mktemp("walk") / "var"
            shutil.copytree(demo_files, var)
            opened.append(open_at(var))
            known[id(story)] = Walk(opened[-1]).tell(story, process_key)
        return known[id(story)]

    yield walk
    for platform in opened:
        platform.close()
