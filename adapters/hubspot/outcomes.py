"""What became of each input of a batch write.

An input carries a trace of ours (`objectWriteTraceId`); with it, HubSpot answers 207 where some
inputs failed, and the trace stands in the `context` of each error
(developers.hubspot.com/docs/api-reference/error-handling, "Multi-status errors"). Where HubSpot
refuses a whole batch instead, or its answer leaves open whose error is whose, the batch is sent
again in halves, down to single inputs: then there is nothing left to guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.hubspot.api import CrmObject, problems_of
from adapters.hubspot.failures import RefusedError, complaint_of
from shared.errors import TransientError

_TRACE = "objectWriteTraceId"
_PASSING = frozenset({"RATE_LIMITS", "RATE_LIMIT", "INTERNAL_ERROR", "TIMEOUT", "LOCKED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One record of a batch write: `id` is HubSpot's, or the value of the property `by`."""

    trace: str
    id: str
    properties: Mapping[str, str]
    by: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what is sent of it."""
        data: dict[str, Any] = {"id": self.id, "properties": self.properties, _TRACE: self.trace}
        return {**data, "idProperty": self.by} if self.by else data


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Either `found`, the record as HubSpot has it now, or what is wrong with it."""

    found: CrmObject | None = None
    field: str = ""
    message: str = ""


Send = Callable[[Sequence[Input]], Mapping[str, Any]]


def write_all(inputs: Sequence[Input], send: Send) -> Mapping[str, Outcome]:
    """Send the inputs, in as few batches as give each its own outcome; return those by trace."""
    if not inputs:
        return {}
    try:
        answer = send(inputs)
    except RefusedError as error:
        if len(inputs) == 1:
            return {inputs[0].trace: _refused(error.failure.body or {"message": str(error)})}
        return _in_halves(inputs, send)
    outcomes = dict(_settled(inputs, answer))
    rest = [each for each in inputs if each.trace not in outcomes]
    if len(rest) == len(inputs) == 1:
        return {rest[0].trace: _alone(answer)}
    return outcomes | (_in_halves(rest, send) if rest else {})


def _in_halves(inputs: Sequence[Input], send: Send) -> dict[str, Outcome]:
    middle = (len(inputs) + 1) // 2
    halves = (inputs[:middle], inputs[middle:])
    return {trace: out for half in halves for trace, out in write_all(half, send).items()}


def _settled(inputs: Sequence[Input], answer: Mapping[str, Any]) -> Iterator[tuple[str, Outcome]]:
    """Yield the outcomes an answer leaves no doubt about."""
    traces = {each.trace for each in inputs}
    by_id = {each.id: each.trace for each in inputs}
    for error in problems_of(answer):
        context = error.get("context")
        context = context if isinstance(context, Mapping) else {}
        own = [t for t in _texts(context.get(_TRACE)) if t in traces]
        own += [by_id[id_] for id_ in _texts(context.get("ids")) if id_ in by_id]
        for trace in own:
            yield trace, _refused(error)
    for found in _results(answer):
        trace = str(found.get(_TRACE) or "")
        if trace not in traces:
            trace = by_id.get(str(found.get("id")), "") or _by_property(inputs, found)
        if trace:
            yield trace, Outcome(found=found)


def _by_property(inputs: Sequence[Input], found: CrmObject) -> str:
    properties = found.get("properties") or {}
    for each in inputs:
        if each.by and properties.get(each.by) == each.id:
            return each.trace
    return ""


def _alone(answer: Mapping[str, Any]) -> Outcome:
    """Return what an answer says of the only input there was."""
    for error in problems_of(answer):
        return _refused(error)
    for found in _results(answer):
        return Outcome(found=found)
    raise TransientError("HubSpot did not say what became of a record. Try again later.")


def _results(answer: Mapping[str, Any]) -> Iterator[CrmObject]:
    results = answer.get("results")
    if isinstance(results, list):
        yield from (found for found in results if isinstance(found, Mapping))


def _refused(error: Mapping[str, Any]) -> Outcome:
    field, message = complaint_of(error)
    if str(error.get("category") or "").upper() in _PASSING:
        raise TransientError(f"HubSpot could not write a record now: {message} Try again later.")
    return Outcome(field=field, message=message)


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
