"""The Toybox running by itself, and its case for the contract suite."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn

from local.sandbox.door import Door, Requests
from local.sandbox.emulators import KeptSecrets, Options, Premises
from local.sandbox.faults import Fault, Faults
from shared.domain.changes import Upsert
from shared.errors import PermanentError
from shared.ports.provider import ProviderDefinition
from tests.contract.bench import Bench, Emulator, FaultCase, ProviderCase, PushCase
from tests.toy.adapter import PROVIDER
from tests.toy.emulator import EMULATOR, NAME, ToyBook

PATIENCE = 120.0


def _new_toy(_records: Sequence[Upsert]) -> Mapping[str, Any]:
    return {"name": "Made by the suite", "price": "1.00"}


@contextmanager
def running_toybox(folder: Path) -> Iterator[Emulator]:
    """Run the Toybox on a free port of loopback."""
    with opened_toybox(folder) as (emulator, _):
        yield emulator


@contextmanager
def opened_toybox(folder: Path) -> Iterator[tuple[Emulator, ToyBook]]:
    """Run the Toybox, and yield what is in it too."""
    faults = Faults()
    kept = KeptSecrets(folder / "keys.json")
    options = Options(state_dir=folder)
    built = EMULATOR.build(
        Premises(url="", options=options, secrets=kept, faults=faults, neighbours={})
    )
    app = Door(
        built.app,
        provider=NAME,
        faults=faults,
        requests=Requests(),
        error_body=built.error_body,
    )
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, date_header=False, lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE
    try:
        while not server.started:
            assert thread.is_alive(), "the Toybox did not start"
            assert time.monotonic() < until, "the Toybox does not answer"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]

        def fault(kind: str, **options: Any) -> None:
            faults.add(Fault(provider=NAME, fault=kind, **options))

        emulator = Emulator(
            credentials={"api_key": str(built.entry()["key"])},
            options={"base_url": f"http://127.0.0.1:{port}"},
            fault=fault,
            heal=faults.clear,
            kinds=lambda: set(faults.kinds()[NAME]),
            has_struck=lambda kind: all(one.struck for one in faults.active() if one.fault == kind),
        )
        yield emulator, built.shared
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


TOY_CASE = ProviderCase(
    slug=NAME,
    scope="toys",
    start=running_toybox,
    bad_credentials={"api_key": "toy-00000000-0000-0000-0000-000000000000"},
    push=PushCase(stream="toys", make=_new_toy, change={"name": "Changed by the suite"}),
    faults=(
        FaultCase(kind="repeated_page", ends_in=PermanentError),
        FaultCase(kind="malformed", options={"count": 2}),
    ),
    definition=PROVIDER,
    module="tests.toy.adapter",
)


def toy_bench(
    emulator: Emulator, folder: Path, provider: ProviderDefinition = PROVIDER, **case: Any
) -> Bench:
    """Return a bench of the Toybox with another adapter or case."""
    return Bench(replace(TOY_CASE, definition=provider, **case), emulator, folder)
