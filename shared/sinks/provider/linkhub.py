"""What an export writes to LinkHub: names of what was created, and values that came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.domain.ids import new_id
from shared.domain.merge import Fate
from shared.engine.batches import encode_fields
from shared.sinks.linkhub.client import (
    ALREADY_LINKED,
    VERSION_CONFLICT,
    LinkHubClient,
    UpsertInput,
    UpsertResult,
)
from shared.sinks.linkhub.journal import Intent
from shared.sinks.provider.exchange import Exchange

KeyOf = Callable[[Exchange], str]

_MAKES_ALIVE = {Fate.KEEP, Fate.CREATE_EXTERNAL, Fate.CREATE_LINKHUB}


def write_to_linkhub(
    client: LinkHubClient,
    entity: str,
    exchanges: Sequence[Exchange],
    *,
    source: str,
    key_of: KeyOf,
) -> None:
    """Delete, rename and update in LinkHub what these records ask for.

    A name alone is not written to a record that is deleted by now: the feed shows that too.

    A record somebody has edited there meanwhile is not overwritten: what should have been written
    is still to do, and the feed shows the record again.
    """
    gone = [each for each in exchanges if each.fate is Fate.DELETE_LINKHUB and each.link]
    keys = {each.link.key_at_linkhub: _version(each) for each in gone if each.link}
    results = client.delete(entity, source=source, external_keys=list(keys), versions=keys)
    for each, (_, outcome) in zip(gone, results, strict=True):
        each.sent = outcome == "deleted"
        if outcome == "rejected":  # its link stays as it was
            each.fate = Fate.KEEP
    alive = [each for each in exchanges if each.fate in _MAKES_ALIVE]
    todo = [each for each in alive if each.to_linkhub or _is_unnamed(each, key_of)]
    unnamed: list[Exchange] = []
    for each, result in zip(todo, _upsert(client, entity, todo, source, key_of), strict=True):
        if result.outcome != "rejected":
            each.sent = each.sent or result.outcome != "unchanged"
            continue
        had_values = bool(each.to_linkhub)
        each.keep_linkhub()
        if result.is_refused(ALREADY_LINKED):
            _give_up(each)
        elif result.is_refused(VERSION_CONFLICT):
            unnamed += [each] if _is_unnamed(each, key_of) else []
        elif had_values:
            _tell(each, result)
    for each, result in zip(unnamed, _upsert(client, entity, unnamed, source, key_of), strict=True):
        if result.is_refused(ALREADY_LINKED):
            _give_up(each)


def intents_of(entity: str, exchanges: Sequence[Exchange], *, key_of: KeyOf) -> Sequence[Intent]:
    """Return what `write_to_linkhub` is about to do to the records LinkHub knows by our names.

    A record that gets its name now is a person's own: nothing would bring it back.
    """
    found: list[Intent] = []
    for each in exchanges:
        link = each.link
        is_gone = each.fate is Fate.DELETE_LINKHUB
        is_written = each.fate in _MAKES_ALIVE and each.to_linkhub and not _is_unnamed(each, key_of)
        if link is not None and (is_gone or is_written):
            found.append(
                Intent(
                    record=(link.stream, link.external_id),
                    entity=entity,
                    linkhub_key=link.key_at_linkhub,
                    fields=None if is_gone else each.to_linkhub,
                    link=link,
                    exists=True,
                )
            )
    return found


def _upsert(
    client: LinkHubClient, entity: str, exchanges: Sequence[Exchange], source: str, key_of: KeyOf
) -> Sequence[UpsertResult]:
    inputs = [
        UpsertInput(
            key_of(each),
            encode_fields(each.to_linkhub),
            id=each.linkhub_id,
            if_version=_version(each) if each.to_linkhub else None,
        )
        for each in exchanges
    ]
    return list(client.upsert(entity, source=source, inputs=inputs, salt=new_id()))


def _version(each: Exchange) -> int:
    return 0 if each.present is None else int(each.present["version"])


def _is_unnamed(each: Exchange, key_of: KeyOf) -> bool:
    """Whether LinkHub knows the record by another name so far."""
    return each.creation is not None or (
        each.link is not None and key_of(each) != each.link.key_at_linkhub
    )


def _give_up(each: Exchange) -> None:
    text = (
        f"It was created as {each.key}, but LinkHub links this record, or that key, to another "
        "one: delete one of the two."
    )
    each.fail(each.problem(text))
    each.reached = False


def _tell(each: Exchange, result: UpsertResult) -> None:
    for rejection in result.rejections:
        text = f"LinkHub rejected it: {rejection.message}"
        each.problems.append(each.problem(text, field=rejection.field))
    each.failed = True
