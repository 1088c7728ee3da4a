"""Route templates as ASP.NET Core and the Functions host read, order and match them.

Sources: Microsoft Learn, "Routing in ASP.NET Core" (templates and constraints), and the order by
specificity of WebJobsRouteBuilder in azure-webjobs-sdk-extensions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cmp_to_key, partial
from typing import Self
from urllib.parse import unquote
from uuid import UUID

from local.host.errors import HostError

Check = Callable[[str], bool]

_PARAMETER = re.compile(r"\{((?:[^{}]|\{\{|\}\})+)\}")
_CONSTRAINT = re.compile(r"(\w+)(?:\((.*)\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """`{name:constraint?}` inside a segment; `catch_all` is `{*name}`."""

    name: str
    checks: tuple[Check, ...] = ()
    catch_all: bool = False
    optional: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The text between two slashes: literals and parameters in their order."""

    parts: tuple[str | Parameter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A function's address; no methods means every method."""

    function: str
    template: str
    methods: frozenset[str]
    segments: tuple[Segment, ...]
    pattern: re.Pattern[str]

    @classmethod
    def parse(cls, template: str, *, function: str, methods: Iterable[str] = ()) -> Self:
        """Return the route of `template`, prefix included; raise HostError where it is wrong."""
        template = template.strip("/")
        texts = _split(template)
        segments = tuple(_segment(text, template) for text in texts)
        pattern = "".join(_pattern(segment) for segment in segments)
        return cls(
            function=function,
            template=template,
            methods=frozenset(method.upper() for method in methods),
            segments=segments,
            pattern=re.compile(f"{pattern}/?", re.IGNORECASE | re.DOTALL),
        )

    def match(self, path: str) -> dict[str, str] | None:
        """Return the route values of the raw `path` (percent-encoded), None where it differs."""
        found = self.pattern.fullmatch(decode_path(path))
        if not found:
            return None
        values = {}
        for segment in self.segments:
            for part in segment.parts:
                if isinstance(part, str):
                    continue
                value = found[part.name] or part.default
                if value is None:
                    continue
                if not all(check(value) for check in part.checks):
                    return None
                values[part.name] = value
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """Every route, the most specific first."""

    routes: tuple[Route, ...]

    @classmethod
    def of(cls, routes: Iterable[Route]) -> Self:
        """Return the table of `routes` in the order the host tries them."""
        return cls(routes=tuple(sorted(routes, key=cmp_to_key(_compare))))

    def find(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """Return function and route values; None (a 404) for a path or a method not served.

        The host answers a known path with a wrong method by 404, HEAD on a GET route included
        (azure-functions-host issues 10098 and 11625).
        """
        for route in self.routes:
            if not route.methods or method.upper() in route.methods:
                values = route.match(path)
                if values is not None:
                    return route.function, values
        return None


def decode_path(raw: str) -> str:
    """Percent-decode a path as Kestrel does: all but the slash, which would move segments."""
    return "/".join(
        unquote(re.sub(r"%2f", "%252F", segment, flags=re.IGNORECASE)) for segment in raw.split("/")
    )


def _split(template: str) -> list[str]:
    """Split at the slashes outside braces: a regex constraint may hold one."""
    texts, depth, start = [], 0, 0
    for position, character in enumerate(template):
        depth += (character == "{") - (character == "}")
        if character == "/" and not depth:
            texts.append(template[start:position])
            start = position + 1
    return [*texts, template[start:]] if template else []


def _segment(text: str, template: str) -> Segment:
    parts: list[str | Parameter] = []
    end = 0
    for match in _PARAMETER.finditer(text):
        if match.start() > end:
            parts.append(text[end : match.start()])
        parts.append(_parameter(match[1].replace("{{", "{").replace("}}", "}"), template))
        end = match.end()
    if end < len(text):
        parts.append(text[end:])
    if not parts or any(isinstance(part, str) and re.search(r"[{}?*]", part) for part in parts):
        raise HostError(f"The route '{template}' cannot be read at '{text}'.")
    return Segment(parts=tuple(parts))


def _parameter(text: str, template: str) -> Parameter:
    name, *rest = re.split(r":(?![^(]*\))", text.lstrip("*"))
    last = rest[-1] if rest else name
    optional = last.endswith("?")
    last, _, default = last.removesuffix("?").partition("=") if "(" not in last else (last, "", "")
    if rest:
        rest[-1] = last.removesuffix("?")
    else:
        name = last
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise HostError(f"The route '{template}' has the parameter '{text}', which has no name.")
    return Parameter(
        name=name,
        checks=tuple(_check(constraint, template) for constraint in rest),
        catch_all=text.startswith("*"),
        optional=optional,
        default=default or None,
    )


def _pattern(segment: Segment) -> str:
    first = segment.parts[0]
    if isinstance(first, Parameter) and first.catch_all:
        return f"(?:/(?P<{first.name}>.*))?"
    inner = "".join(
        re.escape(part) if isinstance(part, str) else f"(?P<{part.name}>[^/]+?)"
        for part in segment.parts
    )
    lone = isinstance(first, Parameter) and len(segment.parts) == 1
    if lone and isinstance(first, Parameter) and (first.optional or first.default):
        return f"(?:/{inner})?"
    return f"/{inner}"


def _compare(left: Route, right: Route) -> int:
    """Literal before parameter, more constraints first, longer first; literals by name."""
    for mine, its in zip(left.segments, right.segments, strict=False):
        a, b = mine.parts[0], its.parts[0]
        if isinstance(a, str) != isinstance(b, str):
            return -1 if isinstance(a, str) else 1
        if isinstance(a, Parameter) and isinstance(b, Parameter):
            if len(a.checks) != len(b.checks):
                return len(b.checks) - len(a.checks)
        elif str(a).lower() != str(b).lower():
            return -1 if str(a).lower() < str(b).lower() else 1
    return len(right.segments) - len(left.segments)


def _check(text: str, template: str) -> Check:
    match = _CONSTRAINT.fullmatch(text)
    name, argument = (match[1].lower(), match[2]) if match else (text, None)
    try:
        if argument is None:
            return _SIMPLE[name]
        return _with_argument(name, argument)
    except (KeyError, ValueError):
        raise HostError(
            f"The route '{template}' has the constraint '{text}', which is unknown."
        ) from None


def _with_argument(name: str, argument: str) -> Check:
    if name == "regex":
        return lambda value: bool(re.search(argument, value, re.IGNORECASE))
    numbers = [int(number) for number in argument.split(",")]
    low, high = numbers[0], numbers[-1]
    if name in {"length", "minlength", "maxlength"}:
        low = 0 if name == "maxlength" else low
        longest = float("inf") if name == "minlength" else high
        return lambda value: low <= len(value) <= longest
    least = float("-inf") if name == "max" else low
    most = float("inf") if name == "min" else high
    if name not in {"min", "max", "range"}:
        raise KeyError(name)
    return lambda value: _whole_number(value) and least <= int(value) <= most


def _whole_number(value: str, bits: int = 64) -> bool:
    if not re.fullmatch(r"\s*[+-]?[0-9]+\s*", value):
        return False
    limit = 1 << (bits - 1)
    return -limit <= int(value) < limit


def _reads(read: Callable[[str], object], value: str) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


def _alpha(value: str) -> bool:
    return re.fullmatch("[A-Za-z]*", value) is not None


_SIMPLE: dict[str, Check] = {
    "int": partial(_whole_number, bits=32),
    "long": _whole_number,
    "bool": lambda value: value.lower() in {"true", "false"},
    "guid": partial(_reads, UUID),
    "alpha": _alpha,
    "datetime": partial(_reads, datetime.fromisoformat),
    "decimal": partial(_reads, float),
    "double": partial(_reads, float),
    "float": partial(_reads, float),
    "required": bool,
}
