"""The files of one deployment as a browser or a program sends them: few enough, small enough, safely named.

A name is never a place: of a path that came with a file only what tells forms apart is kept, the folder
above it, because forms are known as <process>/<form>.json. Nothing is written anywhere here; `read` gives
bytes by name for `repository`.
"""

from __future__ import annotations

from engine.errors import Invalid

#: files of one deployment, the bytes of each, and the characters of a name
FILES, SIZE, NAME = 100, 5 * 1024 * 1024, 200


def read(uploads, folder: str = "") -> dict[str, bytes]:
    """name -> bytes; `folder` is where forms that came without one belong. Raises Invalid."""
    if not uploads:
        raise Invalid("Choose a file first.")
    if len(uploads) > FILES:
        raise Invalid("At most %(limit)s files can be published at once.", limit=FILES)
    found: dict[str, bytes] = {}
    for one in uploads:
        name = name_of(one.filename, folder)
        data = one.read(SIZE + 1)
        if len(data) > SIZE:
            raise Invalid("The file '%(name)s' is too large.", name=name)
        if name in found:
            raise Invalid("Two files are called '%(name)s'; send each once.", name=name)
        found[name] = data
    return found


def name_of(said: str, folder: str = "") -> str:
    """The bare name; of a form with the folder above it. Raises Invalid for a name that cannot be kept."""
    parts = said.replace("\\", "/").split("/")
    bare = parts[-1]
    above = (parts[-2] if len(parts) > 1 else folder.strip()) if bare.endswith(".json") else ""
    name = f"{above}/{bare}" if above else bare
    if above in (".", "..") or not name.isprintable() or len(name) > NAME:
        raise Invalid("A file has a name that cannot be kept; rename it.")
    return name
