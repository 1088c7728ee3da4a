"""What every adapter must do, proven against its emulator.

A new provider needs one entry in `cases.py`; there is nothing to write here. The checks stand in
`checks.py`; `python -m tests.contract.table` prints them by provider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from adapters import all_providers, known_slugs
from tests.contract.bench import Bench, ProviderCase
from tests.contract.cases import CASES
from tests.contract.checks import CHECKS, Check


def _pairs() -> Iterator[object]:
    for case in CASES:
        for check in CHECKS:
            if not check.absent(case):
                marks = (pytest.mark.vendor_documents,) if check.needs_documents else ()
                yield pytest.param(case, check, id=f"{case.id}-{check.run.__name__}", marks=marks)


@pytest.fixture(scope="module")
def open_bench(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[ProviderCase], Bench]]:
    """Yield what opens a case's bench; one emulator runs at a time, for all checks of its case."""
    with ExitStack() as opened:
        benches: dict[str, Bench] = {}

        def open_one(case: ProviderCase) -> Bench:
            if case.id not in benches:
                opened.close()
                benches.clear()
                emulator = opened.enter_context(case.start(tmp_path_factory.mktemp(case.slug)))
                work = tmp_path_factory.mktemp("work")
                siblings = [other for other in CASES if other.slug == case.slug]
                benches[case.id] = Bench(case, emulator, work, siblings=siblings)
            return benches[case.id]

        yield open_one


@pytest.mark.parametrize(("case", "check"), list(_pairs()))
def test_contract(
    case: ProviderCase, check: Check, open_bench: Callable[[ProviderCase], Bench]
) -> None:
    """The provider keeps this promise; the check's own sentence says which."""
    bench = open_bench(case)
    try:
        check.run(bench)
    finally:
        bench.rest()


def test_every_provider_has_a_case() -> None:
    """A new adapter fails here until `cases.py` has its entry, and each case has its own name."""
    assert sorted({case.slug for case in CASES}) == known_slugs()
    assert len({case.id for case in CASES}) == len(CASES)


def test_slugs_are_unique_and_name_their_modules() -> None:
    """The module `power_bi` holds the provider `power-bi`, and no other has that slug."""
    slugs = [provider.spec.slug for provider in all_providers()]
    assert slugs == known_slugs()
    assert len(set(slugs)) == len(slugs)


def test_every_check_says_what_it_promises() -> None:
    """Each has a sentence of its own and a name that no other has."""
    assert all((check.run.__doc__ or "").strip() for check in CHECKS)
    assert len({check.name for check in CHECKS}) == len(CHECKS)
