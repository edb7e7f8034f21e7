"""Every page of a full store with its JSON twin, asked without a socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from data.store import Store
from tests.support.page_store import addresses_of, full_store
from tests.support.page_tree import Element, page_tree
from tests.support.service_client import Client, client_of

_PAGE: Final = {"accept": "text/html"}
# Pages that show no data.
_WITHOUT_TWIN: Final = frozenset({"sign-in", "error"})


class Pages:
    """The pages by name, in either language, and what their footers link as JSON."""

    bare: Final = ("/areas", "/signals", "/models", "/cases", "/board", "/boundary", "/nowhere")

    def __init__(self, client: Client, locked: Client, empty: Client) -> None:
        self.client = client
        self._locked = locked
        self._empty = empty
        self.paths = addresses_of(client.json)
        self.minimum: int = client.json("/v1/areas")["minimum_cell"]
        self._twins: dict[str, Any] = {}

    @property
    def with_twins(self) -> list[str]:
        """The names of the pages that show data."""
        return [name for name in self.paths if name not in _WITHOUT_TWIN]

    def html(self, name: str, language: str) -> str:
        """The page of that name; that of the signing in is of a service that asks for it."""
        path = self.paths[name]
        if name == "sign-in":
            return self._locked.get(f"{path}?lang={language}", **_PAGE).text
        return self.page(f"{path}{'&' if '?' in path else '?'}lang={language}")

    def bare_page(self, address: str) -> str:
        """The page at an address of a service whose store is empty, in English."""
        return self._empty.get(f"{address}?lang=en", **_PAGE).text

    def page(self, address: str) -> str:
        """The page at an address."""
        return self.client.get(address, **_PAGE).text

    def twin(self, name: str, language: str) -> Any:
        """The JSON that the page of that name links to."""
        path = self.paths[name]
        return self.fetch(f"{path}{'&' if '?' in path else '?'}lang={language}")

    def fetch(self, address: str) -> Any:
        """The twin of the page at an address."""
        if address not in self._twins:
            self._twins[address] = self.client.json(twin_of(page_tree(self.page(address))))
        return self._twins[address]


def twin_of(page: Element) -> str:
    """The address of a page's twin, from its footer.

    Raises
    ------
    LookupError
        If the page links to none.
    """
    for link in page.find("footer").all("a"):
        if link.attributes.get("type") == "application/json":
            return link.attributes["href"]
    raise LookupError("This page links to no JSON.")


@contextmanager
def every_page(folder: Path, *, wide: bool = False) -> Iterator[Pages]:
    """The pages of a full store that is made in this folder, of a city as wide as a real one or small; and of an
    empty one.
    """
    path, empty = full_store(folder, wide=wide), folder / "empty.db"
    with Store.open(str(empty), create=True):
        pass
    clients = client_of(path), client_of(path, auth="required"), client_of(empty)
    try:
        yield Pages(*clients)
    finally:
        for client in clients:
            client.close()
