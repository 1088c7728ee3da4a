"""The subset of DAX the emulator reads, and what a query means as a tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

T = TypeVar("T")

_TOKEN = re.compile(
    r"""\s+
      | (?P<moment>dt"[^"]*")
      | (?P<text>"(?:[^"]|"")*")
      | (?P<table>'(?:[^']|'')+')
      | (?P<column>\[(?:[^\]]|\]\])+\])
      | (?P<number>\d+(?:\.\d+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<sign>&&|\|\||==|<=|>=|<>|[=<>(),-])""",
    re.VERBOSE,
)
_COMPARISONS = frozenset({"=", "==", "<", ">", "<=", ">=", "<>"})


class DaxError(Exception):
    """A query the engine refuses; the message is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRef:
    """A column, of a table ('' where only its name is given)."""

    table: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function or an operator with its arguments, names in capitals."""

    name: str
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRef:
    """A table by its name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """`order` are (expression, is_descending) pairs; `evaluates`: how many there were in all."""

    table: Any
    order: tuple[tuple[Any, bool], ...]
    evaluates: int


def parse(text: str) -> Query:
    """Return the first EVALUATE of a query; raise DaxError for what is no query."""
    parser = _Parser(text)
    queries = [parser.query()]
    while not parser.is_done:
        queries.append(parser.query())
    return Query(table=queries[0].table, order=queries[0].order, evaluates=len(queries))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise DaxError(f"The syntax for '{text[place : place + 20]}' is incorrect.")
            if match.lastgroup:
                self._tokens.append((match.lastgroup, match[0]))
            place = match.end()
        self._place = 0

    @property
    def is_done(self) -> bool:
        return self._place >= len(self._tokens)

    def query(self) -> Query:
        self._expect_word("EVALUATE")
        table = self._table()
        order: list[tuple[Any, bool]] = []
        if self._take_word("ORDER"):
            self._expect_word("BY")
            order = self._list(self._sort)
        return Query(table=table, order=tuple(order), evaluates=1)

    def _sort(self) -> tuple[Any, bool]:
        expression = self._scalar()
        if self._take_word("DESC"):
            return expression, True
        self._take_word("ASC")
        return expression, False

    def _table(self) -> Any:
        kind, text = self._next()
        if kind == "table":
            return TableRef(name=_unquoted(text))
        if kind != "word":
            raise self._wrong(text)
        if not self._take("("):
            return TableRef(name=text)
        name = text.upper()
        reader: dict[str, Callable[[], tuple[Any, ...]]] = {
            "SELECTCOLUMNS": self._named_columns,
            "TOPN": self._top,
            "FILTER": lambda: (self._table(), self._comma(self._scalar)),
            "ROW": self._pairs,
            "INFO.VIEW.TABLES": lambda: (),
            "INFO.VIEW.COLUMNS": lambda: (),
            "INFO.VIEW.RELATIONSHIPS": lambda: (),
        }
        if name not in reader:
            raise DaxError(f"Failed to resolve name '{text}'. It is not a valid table or function.")
        args = reader[name]()
        self._expect(")")
        return Call(name=name, args=args)

    def _named_columns(self) -> tuple[Any, ...]:
        return self._table(), *self._comma(self._pairs)

    def _pairs(self) -> tuple[Any, ...]:
        """Return (name, expression) pairs."""
        return tuple(self._list(lambda: (self._name(), self._comma(self._scalar))))

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "text":
            raise self._wrong(text)
        return _unquoted(text)

    def _top(self) -> tuple[Any, ...]:
        count = self._scalar()
        table = self._comma(self._table)
        order: list[tuple[Any, bool]] = []
        while self._take(","):
            expression = self._scalar()
            descending = True  # the default of TOPN
            if self._take(","):
                kind, text = self._next()
                if kind != "word" or text.upper() not in {"ASC", "DESC"}:
                    raise self._wrong(text)
                descending = text.upper() == "DESC"
            order.append((expression, descending))
        return count, table, tuple(order)

    def _scalar(self) -> Any:
        return self._joined("||", lambda: self._joined("&&", self._comparison))

    def _joined(self, sign: str, part: Callable[[], Any]) -> Any:
        parts = [part()]
        while self._take(sign):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Call(name=sign, args=tuple(parts))

    def _comparison(self) -> Any:
        left = self._primary()
        if not self.is_done and self._tokens[self._place][1] in _COMPARISONS:
            _, sign = self._next()
            return Call(name=sign, args=(left, self._primary()))
        return left

    def _primary(self) -> Any:  # noqa: PLR0911  one line for each form
        kind, text = self._next()
        if text == "(":
            inner = self._scalar()
            self._expect(")")
            return inner
        if text == "-":
            kind, text = self._next()
            text = f"-{text}"
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "text":
            return _unquoted(text)
        if kind == "moment":
            return _moment(text)
        if kind == "column":
            return ColumnRef(table="", name=_unquoted(text))
        if kind == "table":
            return self._column_of(_unquoted(text))
        if kind == "word" and self._take("("):
            return self._function(text)
        if kind == "word":
            return self._column_of(text)
        raise self._wrong(text)

    def _function(self, text: str) -> Any:
        name = text.upper()
        args: tuple[Any, ...]
        if name == "COUNTROWS":
            args = (self._table(),)
        elif name in {"NOT", "ISBLANK"}:
            args = (self._scalar(),)
        elif name in {"TRUE", "FALSE", "BLANK"}:
            args = ()
        else:
            raise DaxError(f"Failed to resolve name '{text}'. It is not a valid function name.")
        self._expect(")")
        return Call(name=name, args=args)

    def _column_of(self, table: str) -> ColumnRef:
        kind, text = self._next()
        if kind != "column":
            raise self._wrong(text)
        return ColumnRef(table=table, name=_unquoted(text))

    def _list(self, part: Callable[[], T]) -> list[T]:
        parts = [part()]
        while self._take(","):
            parts.append(part())
        return parts

    def _comma(self, part: Callable[[], T]) -> T:
        self._expect(",")
        return part()

    def _next(self) -> tuple[str, str]:
        if self.is_done:
            raise DaxError("The query ends too soon.")
        self._place += 1
        return self._tokens[self._place - 1]

    def _take(self, sign: str) -> bool:
        if not self.is_done and self._tokens[self._place] == ("sign", sign):
            self._place += 1
            return True
        return False

    def _take_word(self, word: str) -> bool:
        if self.is_done:
            return False
        kind, text = self._tokens[self._place]
        if kind != "word" or text.upper() != word:
            return False
        self._place += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._wrong(self._next()[1])

    def _expect_word(self, word: str) -> None:
        if not self._take_word(word):
            raise self._wrong(self._next()[1])

    def _wrong(self, text: str) -> DaxError:
        return DaxError(f"The syntax for '{text[:60]}' is incorrect.")


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[-1] * 2, text[-1])


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text[3:-1])
    except ValueError:
        raise DaxError(f"{text} is no date.") from None
