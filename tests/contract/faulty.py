"""Checks of bad days: refusals, outages, the emulator's own faults, and what must not be said."""

# ruff: noqa: D401 - the first line of a check is its promise, as a test's is
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shared.domain.changes import Change
from shared.errors import AuthError, SyncError, TransientError
from shared.ports.provider import Credentials
from tests.contract.bench import Bench, FaultCase, captured_logs, changes_of, through_json
from tests.contract.writing import push_story, tidy

COMMON_FAULTS = (
    FaultCase(kind="truncated", options={"count": 2}),
    FaultCase(kind="rate_limit", options={"count": 2}),
    FaultCase(kind="server_error", options={"count": 2, "retry_after": 3}),
    FaultCase(kind="slow", options={"count": 1, "seconds": 0.2}),
    FaultCase(kind="clock_skew", options={"seconds": 86_400}),
    FaultCase(kind="clock_skew", options={"seconds": -86_400}),
)
"""What every provider's read comes through."""

REFUSALS = {"unauthorized", "rate_limit", "server_error"}
_DELAY = 90.0
_WISH = 7.0


def a_refused_credential_is_an_auth_error(bench: Bench) -> None:
    """401 in the middle of a job is an AuthError: a person must reconnect."""
    bench.emulator.fault("unauthorized")
    with pytest.raises(AuthError):
        bench.read()


def too_many_requests_tell_when_to_come_back(bench: Bench) -> None:
    """429 is a TransientError that carries the provider's delay."""
    _ends_in_its_delay(bench, "rate_limit")


def an_outage_tells_when_to_come_back(bench: Bench) -> None:
    """503 is a TransientError that carries the provider's delay."""
    _ends_in_its_delay(bench, "server_error", status=503)


def a_server_error_is_transient(bench: Bench) -> None:
    """500 is a TransientError without a delay."""
    bench.emulator.fault("server_error", status=500)
    with pytest.raises(TransientError) as caught:
        bench.read()
    assert caught.value.retry_after is None


def a_wish_to_wait_is_kept(bench: Bench) -> None:
    """A Retry-After of a few seconds is waited for, neither less nor more, and the read goes on."""
    expected = changes_of(bench.read())
    bench.waits.clear()
    bench.emulator.fault("rate_limit", count=2, retry_after=_WISH)
    assert changes_of(bench.read()) == expected
    assert [wait for wait in bench.waits if wait == _WISH] == [_WISH, _WISH]


def passing_faults_change_nothing(bench: Bench) -> None:
    """A read through a few bad answers gives exactly what it gives on a good day."""
    assert _wrong_ends(bench, COMMON_FAULTS) == {}


def own_faults_end_as_documented(bench: Bench) -> None:
    """Each fault of the case strikes and ends in its class, or the work comes through unharmed."""
    assert _wrong_ends(bench, bench.case.faults) == {}


def every_fault_has_a_case(bench: Bench) -> None:
    """Whatever the emulator declares is switched on by some case of the provider."""
    covered = REFUSALS | {fault.kind for fault in COMMON_FAULTS}
    for case in bench.siblings:
        covered |= {fault.kind for fault in case.faults} | set(case.sign_in_faults)
    assert bench.emulator.kinds() - covered == set()


def somebody_who_looks_waits_five_seconds_at_most(bench: Bench) -> None:
    """An interactive call tries again, and gives up soon."""
    bench.emulator.fault("server_error")
    with pytest.raises(TransientError):
        bench.connect(interactive=True).check()
    assert 0 < sum(bench.waits) <= 5


def a_job_tries_for_half_a_minute(bench: Bench) -> None:
    """A call in the background outlasts a short outage before the job is put off."""
    bench.emulator.fault("server_error")
    with pytest.raises(TransientError):
        bench.connect().check()
    assert 20 < sum(bench.waits) < 40


def no_secret_reaches_a_log_or_a_message(bench: Bench) -> None:
    """With every logger at DEBUG, no credential is in a record, an error or a repr."""
    acts: Sequence[Callable[[], Any]] = (
        bench.read,
        *(_read_through(bench, kind) for kind in ("unauthorized", "rate_limit", "truncated")),
        _read_through(bench, "malformed"),
        lambda: list(bench.connect().push("x", [])),
        lambda: list(bench.connect().read("no such scope", None)),
    )
    with captured_logs() as said:
        for act in acts:
            said.append(repr(bench.connect()))
            try:
                act()
            except SyncError as error:
                said.append(f"{error!r} {error.__cause__!r} {error.__context__!r}")
            bench.emulator.heal()
    said.append(repr(Credentials(values=bench.emulator.credentials)))
    text = "\n".join(said)
    for secret in bench.emulator.credentials.values():
        assert secret not in text
        assert secret.rpartition("|")[2] not in text


def _read_through(bench: Bench, kind: str) -> Callable[[], Any]:
    def act() -> None:
        bench.emulator.fault(kind)
        bench.read()

    return act


def _ends_in_its_delay(bench: Bench, kind: str, **options: Any) -> None:
    bench.emulator.fault(kind, retry_after=_DELAY, **options)
    with pytest.raises(TransientError) as caught:
        bench.read()
    assert caught.value.retry_after == _DELAY


def _wrong_ends(bench: Bench, faults: Sequence[FaultCase]) -> dict[str, str]:
    """Return what is wrong with each fault's end, by its id."""
    full = bench.read()
    end = through_json(full[-1].checkpoint)
    upserts = bench.upserts()
    keys = [one.key for one in upserts if one.stream == upserts[0].stream][:2]

    def get() -> list[Change]:
        return list(bench.connect().get(upserts[0].stream, keys))

    acts: dict[str, Callable[[], Any]] = {
        "read": lambda: changes_of(bench.read()),
        "incremental": lambda: changes_of(bench.read(end)),
        "get": get,
        "discover": lambda: sorted(stream.name for stream in bench.connect().discover()),
        "push": lambda: push_story(bench),
    }
    good = {name: acts[name]() for name in {fault.act for fault in faults} - {"push"}}
    wrong: dict[str, str] = {}
    # What is deleted may show in a later read: those that write come last.
    for fault in sorted(faults, key=lambda fault: fault.act == "push"):
        bench.rest()
        tidy(bench)
        bench.emulator.fault(fault.kind, **fault.options)
        expected = fault.outcomes if fault.act == "push" else fault.alters(good[fault.act])
        ended: type[Exception] | None = None
        try:
            found = acts[fault.act]()
        except Exception as error:  # noqa: BLE001  whatever it is, it is told
            ended, said = type(error), f"{type(error).__name__}: {error}"
        if not bench.emulator.has_struck(fault.kind):
            wrong[fault.id] = "it met no request"
        elif ended is not None:
            if fault.ends_in is None or not issubclass(ended, fault.ends_in):
                wrong[fault.id] = said
        elif fault.ends_in is not None or found != expected:
            wrong[fault.id] = f"it came through with {str(found)[:200]}"
    bench.rest()
    tidy(bench)
    return wrong
