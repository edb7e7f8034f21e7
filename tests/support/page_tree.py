"""A page as a tree of elements, so that a test can ask what stands where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset(
    {"meta", "link", "img", "input", "br", "hr", "source", "rect", "circle", "path", "line", "use", "wbr"}
)


@dataclass(eq=False)
class Element:
    """An element: its name, attributes, what it holds in order, and what holds it (None: nothing)."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)
    parent: Element | None = None

    def walk(self) -> Iterator[Element]:
        """Itself and all below it, in the order of the page."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def texts(self) -> Iterator[tuple[Element, str]]:
        """Every piece of text with the element that holds it."""
        for child in self.children:
            if isinstance(child, Element):
                yield from child.texts()
            else:
                yield self, child

    @property
    def text(self) -> str:
        """All text, with single blanks; what is drawn beside it (`alt`, `aria-label` of a drawing) is not in it."""
        return " ".join("".join(piece for _, piece in self.texts()).split())

    def above(self) -> Iterator[Element]:
        """Itself and what holds it, outwards."""
        at: Element | None = self
        while at is not None:
            yield at
            at = at.parent

    @property
    def classes(self) -> frozenset[str]:
        """The names of its class attribute."""
        return frozenset(self.attributes.get("class", "").split())

    def find(self, tag: str) -> Element:
        """The first element of that name.

        Raises
        ------
        LookupError
            If there is none.
        """
        for element in self.walk():
            if element.tag == tag:
                return element
        raise LookupError(tag)

    def all(self, tag: str) -> list[Element]:
        """Every element of that name."""
        return [element for element in self.walk() if element.tag == tag]


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self._at = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, [], self._at)
        self._at.children.append(element)
        if tag not in _VOID:
            self._at = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._at.children.append(Element(tag, {name: value or "" for name, value in attrs}, [], self._at))

    def handle_endtag(self, tag: str) -> None:
        for element in self._at.above():
            if element.tag == tag and element.parent is not None:
                self._at = element.parent
                return
        raise AssertionError(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self._at.children.append(data)


def page_tree(html: str) -> Element:
    """Read a page.

    Raises
    ------
    AssertionError
        If an element is closed that was not open.
    """
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root
