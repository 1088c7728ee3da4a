"""Which external field may fill which LinkHub field, judged by names and types alone.

The same streams give the same suggestions. A person confirms them; nothing is mapped by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from shared.domain.field_mappings import FieldMapping
from shared.domain.fields import Field
from shared.domain.linkhub import ENTITIES, Entity
from shared.domain.mapping import DefaultTransform
from shared.domain.mapping_checks import validate_mapping
from shared.domain.providers import Stream

_SYNONYMS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "name": frozenset({"title", "subject", "label", "headline", "nome"}),
        "description": frozenset({"details", "body", "summary", "notes", "text", "descrizione"}),
        "status": frozenset({"stage", "state", "phase", "stato", "fase"}),
        "start date": frozenset(
            {"start", "begin date", "created", "create date", "created at", "createdate"}
        ),
        "end date": frozenset(
            {"end", "due", "due date", "deadline", "close date", "closedate", "finish date"}
        ),
        "progress": frozenset({"percent complete", "percent", "completion", "done"}),
        "budget": frozenset({"amount", "cost", "price", "importo", "revenue"}),
        "owner": frozenset({"owner id", "assignee", "assigned to", "responsible", "manager"}),
        "url": frozenset({"link", "website", "web url", "web page", "address"}),
        "unit": frozenset({"unit of measure", "uom", "measure unit", "currency"}),
        "target": frozenset({"goal", "target value", "objective", "quota"}),
        "baseline": frozenset({"base", "initial value", "start value"}),
        "direction": frozenset({"trend", "polarity"}),
        "indicator": frozenset({"kpi", "metric", "measure", "indicator name"}),
        "date": frozenset({"day", "period", "as of", "timestamp", "recorded at"}),
        "value": frozenset({"amount", "result", "actual", "reading", "score"}),
        "note": frozenset({"notes", "comment", "remark"}),
    }
)
_SAME, _SYNONYM, _PART = 100, 80, 50
_BY_LABEL = 5
_NEEDS_TRANSFORM, _OTHER_TYPE = 5, 10
_PREFIXES = frozenset({"hs", "hubspot"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A rule that would be valid; `score` from 1 to 100 says how alike both sides are."""

    stream: str
    external_field: str
    entity: str
    field: str
    score: int


def suggest_mappings(
    streams: Sequence[Stream],
    *,
    default_transform: DefaultTransform = lambda _stream, _field: None,
) -> list[Suggestion]:
    """Return for each stream and entity the best external field of each LinkHub field, if any.

    No external field is suggested twice for one entity, and none whose values could not travel.
    """
    return [
        suggestion
        for stream in streams
        for entity in ENTITIES.values()
        for suggestion in _best(stream, entity, default_transform)
    ]


def _best(
    stream: Stream, entity: Entity, default_transform: DefaultTransform
) -> Iterator[Suggestion]:
    fields = {field.name: field for field in entity.fields}
    ranked = sorted(
        _candidates(stream, entity, default_transform),
        key=lambda found: (-found.score, list(fields).index(found.field), found.external_field),
    )
    chosen: dict[str, Suggestion] = {}
    taken: set[str] = set()
    for found in ranked:
        if found.field not in chosen and found.external_field not in taken:
            chosen[found.field] = found
            taken.add(found.external_field)
    yield from (chosen[name] for name in fields if name in chosen)


def _candidates(
    stream: Stream, entity: Entity, default_transform: DefaultTransform
) -> Iterator[Suggestion]:
    nouns = {_words(text)[-1:] for text in (stream.name, stream.label)}
    singular = {" ".join(noun).removesuffix("s") for noun in nouns}
    described = [(field, _names(field, singular)) for field in stream.fields]
    for target in entity.fields:
        if target.read_only:
            continue
        for external, names in described:
            likeness = _likeness(names, target)
            if likeness:
                penalty = _penalty(stream, external, entity, target, default_transform)
                if penalty is not None:
                    yield Suggestion(
                        stream=stream.name,
                        external_field=external.name,
                        entity=entity.name,
                        field=target.name,
                        score=max(likeness - penalty, 1),
                    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(text))


def _names(field: Field, singular: set[str]) -> Mapping[str, int]:
    """Return what a field may be called, normalised, and what each name takes off the score.

    "dealname" of a stream "deals" is a "name", "hs_deal_stage" a "stage".
    """
    found: dict[str, int] = {}
    for text, off in ((field.name, 0), (field.label, _BY_LABEL)):
        words = [word for word in _words(text) if word not in _PREFIXES]
        found.setdefault(" ".join(words), off)
        for noun in filter(None, singular):
            rest = [word for word in words if word != noun]
            rest = [word.removeprefix(noun) or word for word in rest]
            found.setdefault(" ".join(rest), off)
    return {name: off for name, off in found.items() if name}


def _likeness(names: Mapping[str, int], target: Field) -> int:
    wanted = " ".join(_words(target.name))
    synonyms = _SYNONYMS.get(wanted, frozenset())
    return max(
        (_name_score(name, wanted, synonyms) - off for name, off in names.items()), default=0
    )


def _name_score(name: str, wanted: str, synonyms: frozenset[str]) -> int:
    if name == wanted or name.replace(" ", "") == wanted.replace(" ", ""):
        return _SAME
    if name in synonyms:
        return _SYNONYM
    words = set(name.split())
    if set(wanted.split()) <= words or any(set(text.split()) <= words for text in synonyms):
        return _PART
    return 0


def _penalty(
    stream: Stream,
    external: Field,
    entity: Entity,
    target: Field,
    default_transform: DefaultTransform,
) -> int | None:
    """Return what the types take off the score, None where no value could travel."""
    rule = FieldMapping(
        stream=stream.name, external_field=external.name, entity=entity.name, field=target.name
    )
    problems: Sequence[Any] = [
        problem
        for problem in validate_mapping(
            [rule], streams=[stream], default_transform=default_transform
        )
        if problem.external_field
    ]
    if problems:
        return None
    if default_transform(stream.name, external.name) is not None:
        return _NEEDS_TRANSFORM
    return 0 if external.type is target.type else _OTHER_TYPE
