"""Small steps through a DMN file: children by local name, the text of an element, the nearest id."""

from __future__ import annotations

from typing import Any

from lxml import etree


def local(element: Any) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def children(element: Any, *names: str) -> list[Any]:
    """The child elements of those local names (all, when none is given), in the order of the file."""
    return [one for one in element if isinstance(one.tag, str) and (not names or local(one) in names)]


def child(element: Any, *names: str) -> Any | None:
    return next(iter(children(element, *names)), None) if element is not None else None


def text_of(element: Any) -> str:
    """What stands in the `text` of an element, or in the element itself."""
    if element is None:
        return ""
    inner = child(element, "text")
    return ((inner if inner is not None else element).text or "").strip()


def name_of(element: Any) -> str:
    return "" if element is None else " ".join(element.get("name", "").split())


def place_of(element: Any) -> str:
    """The id of the element or of the nearest one around it."""
    while element is not None:
        if element.get("id"):
            return element.get("id")
        element = element.getparent()
    return ""
