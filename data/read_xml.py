"""XML as a stream of elements, of which one is in memory at a time; for workbooks and event logs.

Not a tree, and not a library on top of one: a log of a million events has tens of millions of elements. The parser
is expat, which needs no more than these guards: no document type, and so no entities of the file's own, nothing
fetched, bounded depth, bounded elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar
from xml.parsers import expat

from data.errors import FileFormatError
from data.read_table import LONGEST_FIELD

T = TypeVar("T")

DEEPEST: Final = 64
# The bytes of one element's beginning, with all of its attributes; a text in UTF-8 has up to four to a letter.
_LONGEST_TAG: Final = 4 * LONGEST_FIELD


class Elements(Generic[T]):
    """Reads XML block by block, and gives what `found` gathered after each of them.

    Parameters
    ----------
    file : str
        Its name, for messages.
    start, end, text : callables
        What to do at the beginning of an element (its name without a prefix, its attributes), at its end, and
        with the text in between.
    found : list
        What the callables append to; it is emptied whenever it was handed over.
    """

    def __init__(
        self,
        file: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None],
        text: Callable[[str], None] | None = None,
        found: list[T] | None = None,
    ) -> None:
        self._file = file
        self._start, self._end, self._text = start, end, text
        self._found: list[T] = [] if found is None else found
        self._depth = 0
        self._silent = 0
        self._letters = 0

    def over(self, blocks: Iterable[bytes]) -> Iterator[T]:
        """Everything found in `blocks`.

        Raises
        ------
        FileFormatError
            If it is no whole XML, or does what no table does: a document type, endless depth or text.
        """
        parser = self._parser()
        try:
            for block in blocks:
                self._silent += len(block)
                parser.Parse(block, False)
                if self._silent > _LONGEST_TAG:
                    raise self._refused("an element longer than anything in a table")
                yield from self._found
                self._found.clear()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            # A refusal of ours comes out of expat as itself; this is what expat cannot read. What it says may
            # quote the file: only the place is told.
            raise self._broken(error) from None
        except (LookupError, ValueError):
            # The name of the encoding comes from the file, too.
            raise FileFormatError(
                f"{self._file}: the XML names an encoding that cannot be read. Save it as UTF-8."
            ) from None
        yield from self._found
        self._found.clear()

    def _parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._on_text if self._text is not None else None
        parser.StartDoctypeDeclHandler = self._on_doctype
        return parser

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._silent = self._letters = 0
        if self._depth > DEEPEST:
            raise self._refused(f"elements nested more than {DEEPEST} deep")
        self._start(name.rpartition(":")[2], attributes)

    def _on_end(self, name: str) -> None:
        self._depth -= 1
        self._silent = self._letters = 0
        self._end(name.rpartition(":")[2])

    def _on_text(self, text: str) -> None:
        self._letters += len(text)
        if self._letters > LONGEST_FIELD:
            raise self._refused("a text longer than anything in a table")
        if self._text is not None:
            self._text(text)

    def _on_doctype(self, *_doctype: object) -> None:
        raise self._refused("a document type, which can hide endless texts and other files behind short names")

    def _refused(self, what: str) -> FileFormatError:
        return FileFormatError(f"{self._file}: the XML has {what}. Nothing was read. Export it again without.")

    def _broken(self, error: expat.ExpatError) -> FileFormatError:
        return FileFormatError(
            f"{self._file}, line {error.lineno}: the XML is cut off or damaged there. Copy or export it again."
        )
