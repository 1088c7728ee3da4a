"""No check that cannot fail: each is run on adapters that break one promise, and finds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from shared.domain.field_mappings import FieldMapping
from shared.domain.platform_options import PlatformOption
from shared.domain.providers import AuthType, ConnectionOption, Direction
from shared.errors import AuthError, PermanentError, TransientError
from shared.ports.provider import ProviderDefinition
from tests.contract import broken as habits
from tests.contract.bench import Emulator, FaultCase
from tests.contract.broken import broken, with_spec
from tests.contract.checks import CHECKS
from tests.toy.adapter import PROVIDER
from tests.toy.emulator import ToyBook
from tests.toy.kit import opened_toybox, toy_bench


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """An adapter, or a case, with one thing wrong, and the checks that must find it, no others."""

    provider: ProviderDefinition = PROVIDER
    case: Mapping[str, Any] = field(default_factory=dict)
    found_by: tuple[str, ...]


def _found(*names: str, case: Mapping[str, Any] | None = None, **wrong: Any) -> Wrong:
    return Wrong(provider=broken(**wrong), case=case or {}, found_by=names)


_MAPPING = PROVIDER.default_mappings[0]
_KEYS = "keys are present and unique"
_LAST = "only the last page ends a read"
_SAME = "any page leads to exactly the rest"
_MARK = "an incremental read starts at the watermark"
_AGAIN = "pushing again changes nothing"
_WRITES = "records are made changed and deleted"
_CUT = "a power cut makes nothing twice"
_REJECTS = "what is not there is a record problem"
_429, _503 = "too many requests tell when to come back", "an outage tells when to come back"
_500, _401 = "a server error is transient", "a refused credential is an auth error"
_COMMON, _OWN = "passing faults change nothing", "own faults end as documented"
_SECRET = "no secret reaches a log or a message"
_WISH, _JOB = "a wish to wait is kept", "a job tries for half a minute"
_MALFORMED = FaultCase(kind="malformed", options={"count": 2})
_FORGETFUL = habits.Forgetful()
_OPTION = ConnectionOption(name="box", label="Box")
_URL = PlatformOption(name="base_url", default="https://api.toybox.test", is_url=True)


def _key_of(request: Any) -> str:
    return str(request.credentials.values["api_key"])


WRONG: Mapping[str, Wrong] = {
    "no sentence": Wrong(
        provider=with_spec(description="Toys"), found_by=("the catalogue entry is complete",)
    ),
    "plain http documents": Wrong(
        provider=with_spec(docs_url="http://toys.test"),
        found_by=("the catalogue entry is complete",),
    ),
    "a key without a label": Wrong(
        provider=with_spec(api_key_label=""), found_by=("the way in is declared",)
    ),
    "a sign-in without a server": Wrong(
        provider=with_spec(auth_type=AuthType.OAUTH2, oauth_url="https://x.test"),
        found_by=("the way in is declared",),
    ),
    "one name for two options": Wrong(
        provider=with_spec(options=(_OPTION, _OPTION)), found_by=("options have names and labels",)
    ),
    "a platform's option for customers": Wrong(
        provider=with_spec(options=(replace(_OPTION, name="base_url"),)),
        found_by=("options have names and labels",),
    ),
    "a platform option by no rule": Wrong(
        provider=replace(PROVIDER, platform=(_URL, PlatformOption(name="Page Rows"))),
        found_by=("platform options keep to the rule",),
    ),
    "a default without TLS": Wrong(
        provider=replace(PROVIDER, platform=(replace(_URL, default="http://toys.test"),)),
        found_by=("platform options keep to the rule",),
    ),
    "one field filled twice": Wrong(
        provider=replace(PROVIDER, default_mappings=(_MAPPING, *PROVIDER.default_mappings)),
        found_by=("default mappings fit linkhub", "default mappings fit what is discovered"),
    ),
    "a mapping to no field": Wrong(
        provider=replace(
            PROVIDER,
            default_mappings=(
                *PROVIDER.default_mappings,
                FieldMapping(stream="toys", external_field="id", entity="initiatives", field="x"),
            ),
        ),
        found_by=("default mappings fit linkhub", "default mappings fit what is discovered"),
    ),
    "a heavy catalogue entry": Wrong(
        case={"module": "tests.toy.kit"}, found_by=("the catalogue needs no http",)
    ),
    "no label": _found("right credentials are accepted", label=" "),
    "any credentials": _found("wrong credentials are refused", accepts_all=True),
    "private hosts": _found("private hosts are closed unless allowed", request=habits.open_to_all),
    "no streams": _found(
        "discovered names are unique",
        "default mappings fit what is discovered",
        streams=lambda _: (),
    ),
    "doubled fields": _found("discovered names are unique", streams=habits.doubled_fields),
    "fields nobody maps": _found(
        "default mappings fit what is discovered", streams=habits.other_fields
    ),
    "a record twice": _found(
        _KEYS, "totals count what was read", _SAME, pages=habits.repeat_a_record
    ),
    "no key": _found(_KEYS, _SAME, "get tells which records exist", pages=habits.empty_key),
    "one page": _found(_LAST, pages=habits.one_page),
    "no end": _found(_LAST, pages=habits.no_end),
    "no watermark": _found(_LAST, _MARK, pages=habits.no_watermark),
    "wrong totals": _found("totals count what was read", pages=habits.wrong_totals),
    "a checkpoint of tuples": _found(
        "a checkpoint survives json", pages=habits.tuples_to_go_on_with
    ),
    "a page lost on the way": _found(_SAME, resumed=habits.lose_the_first),
    "everything again": _found(_MARK, incremental=habits.everything_again),
    "any scope": _found("an unknown scope is refused", any_scope=True),
    "silence on what is missing": _found(
        "get tells which records exist", _WRITES, get=habits.forget_the_missing
    ),
    "another order": _found("get tells which records exist", get=lambda found: found[::-1]),
    "no get": _found("get tells which records exist", _WRITES, get_refuses=True),
    "a get that was not announced": Wrong(
        case={"can_get": False}, found_by=("get tells which records exist",)
    ),
    "import only, but writes": Wrong(
        provider=with_spec(directions=(Direction.IMPORT,)), found_by=("pushing is refused",)
    ),
    "exports without a case": Wrong(
        case={"push": None}, found_by=(_WRITES, _AGAIN, _CUT, _REJECTS)
    ),
    "creates blindly": _found(_AGAIN, _CUT, push=habits.push_blindly),
    "writes always": _found(_AGAIN, push=habits.push_always),
    "writes nothing": _found(_WRITES, _AGAIN, push=habits.push_nothing),
    "one record stops the others": _found(_REJECTS, push=habits.push_and_stop),
    "nameless creates": _found(
        _WRITES,
        _REJECTS,
        after_push=lambda result: replace(result, external_id=result.key),
    ),
    "401 is no refusal": _found(_401, swaps={AuthError: habits.as_permanent}),
    "transient is permanent": _found(_429, _503, _500, swaps={TransientError: habits.as_permanent}),
    "transient blames the credentials": _found(
        _429, _503, _500, swaps={TransientError: habits.as_auth}
    ),
    "no delay": _found(_429, _503, swaps={TransientError: habits.without_delay}),
    "a delay of its own": _found(_500, swaps={TransientError: habits.with_a_delay_of_its_own}),
    "a second whatever is asked": _found(_WISH, _JOB, request=habits.waiting(1.0)),
    "no wait at all": _found(
        _WISH,
        _JOB,
        "somebody who looks waits five seconds at most",
        request=habits.waiting(0.0),
    ),
    "gives up early": _found(_WISH, _JOB, request=habits.impatient),
    "waits while somebody looks": _found(
        "somebody who looks waits five seconds at most", request=habits.patient
    ),
    "another fault's end": Wrong(
        case={"faults": (_MALFORMED, FaultCase(kind="repeated_page", ends_in=AuthError))},
        found_by=(_OWN,),
    ),
    "a fault that comes through": Wrong(
        case={"faults": (_MALFORMED, FaultCase(kind="repeated_page"))}, found_by=(_OWN,)
    ),
    "a fault that meets nothing": Wrong(
        case={
            "faults": (
                FaultCase(kind="malformed", options={"path": "/nowhere"}),
                FaultCase(kind="repeated_page", ends_in=PermanentError),
            )
        },
        found_by=(_OWN,),
    ),
    "a fault without a case": Wrong(
        case={"faults": (_MALFORMED,)},
        found_by=("every fault has a case",),
    ),
    "forgets over a wait": _found(
        _COMMON, _WISH, _OWN, request=_FORGETFUL.request, pages=_FORGETFUL.pages
    ),
    "a talkative log": _found(_SECRET, says=lambda request: f"key {_key_of(request)}"),
    "a talkative repr": _found(_SECRET, shows=lambda request: f"Toys({_key_of(request)})"),
    "what the document forbids": Wrong(
        case={"document": lambda exchanges: [str(request.url) for request, _ in exchanges]},
        found_by=("what travels fits the vendors document",),
    ),
}
SLOW = {"passing faults change nothing", "the catalogue needs no http"}
"""Checks that take a quarter of a second: not run where another one is to find what is wrong."""


@pytest.fixture(scope="module")
def toybox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, ToyBook]]:
    with opened_toybox(tmp_path_factory.mktemp("toys")) as opened:
        yield opened


def failing(
    wrong: Wrong, toybox: tuple[Emulator, ToyBook], folder: Path, *, slow: bool
) -> set[str]:
    """Return the checks that do not pass, each on a Toybox as new."""
    emulator, book = toybox
    bench = toy_bench(emulator, folder, wrong.provider, **wrong.case)
    found = set()
    for check in CHECKS:
        if check.absent(bench.case) or (check.name in SLOW and not slow):
            continue
        book.fill()
        try:
            check.run(bench)
        except (Exception, pytest.fail.Exception):  # noqa: BLE001  however it says so
            found.add(check.name)
        finally:
            bench.left = ()
            bench.rest()
    return found


def test_a_good_adapter_passes(toybox: tuple[Emulator, ToyBook], tmp_path: Path) -> None:
    """The Toybox keeps every promise, so that what is found below is what was broken."""
    good = Wrong(case={"document": lambda _exchanges: ()}, found_by=())
    assert failing(good, toybox, tmp_path, slow=True) == set()


@pytest.mark.parametrize("name", WRONG)
def test_what_is_broken_is_found(
    name: str, toybox: tuple[Emulator, ToyBook], tmp_path: Path
) -> None:
    """Exactly the checks of the broken promise fail."""
    wrong = WRONG[name]
    slow = not SLOW.isdisjoint(wrong.found_by)
    assert failing(wrong, toybox, tmp_path, slow=slow) == set(wrong.found_by)


def test_every_check_has_been_seen_to_fail() -> None:
    """A new check needs an adapter that breaks its promise."""
    found = {check for wrong in WRONG.values() for check in wrong.found_by}
    assert found == {check.name for check in CHECKS}
