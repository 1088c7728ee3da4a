from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain.providers import ConnectionOption
from shared.errors import InvalidInputError
from shared.http.rate import paced
from shared.ports.provider import ConnectRequest, Credentials, ProviderDefinition
from shared.services.connections import Connector, checked_options
from shared.services.provider_health import ProviderHealth
from shared.store.database import Database
from tests.factories import NOW
from tests.fakes import FakeSource
from tests.store_kit import (
    database,  # noqa: F401  a fixture
    make_spec,
)

_CHOICES = ConnectionOption(name="read_by", label="Source", default="a", choices=("a", "b"))


@pytest.mark.parametrize("given", [{}, {"read_by": "b"}, {"read_by": " a "}])
def test_a_choice_may_be_left_to_its_default(given: dict[str, str]) -> None:
    """An option with choices takes one of them, or nothing."""
    spec = replace(make_spec(), options=(_CHOICES,))
    assert set(checked_options(spec, given).values()) <= {"a", "b"}


@pytest.mark.parametrize("value", ["c", "", "A"])
def test_another_value_is_refused_with_the_choices(value: str) -> None:
    """The error names the option as people write it, and what it can be."""
    spec = replace(make_spec(), options=(_CHOICES,))
    with pytest.raises(InvalidInputError, match=r"options\.readBy: it must be one of a, b"):
        checked_options(spec, {"read_by": value})


@pytest.mark.parametrize(
    ("account", "instance_id", "owner"), [("4711", "i1", "4711"), ("", "i1", "i1"), ("", "", None)]
)
@pytest.mark.parametrize("interactive", [False, True])
def test_limits_are_the_accounts(
    database: Database,  # noqa: F811  the fixture
    account: str,
    instance_id: str,
    owner: str | None,
    interactive: bool,
) -> None:
    """What an adapter asks for is kept under the account, else the instance; else by nobody."""
    asked: list[ConnectRequest] = []

    def connect(request: ConnectRequest) -> FakeSource:
        asked.append(request)
        paced(request, "search", requests=5, seconds=1).wait()
        return FakeSource(0)

    connector = Connector(
        find_provider=lambda _: ProviderDefinition(spec=make_spec(), connect=connect),
        work_dir=Path(),
        health=ProviderHealth(open_uow=database.open_uow, now=lambda: NOW),
    )
    connector.open(
        "fake",
        credentials=Credentials(values={}, instance_id=instance_id),
        options={},
        sleep=lambda _: None,
        interactive=interactive,
        account=account,
    ).close()
    assert (asked[0].budgets is None) is (owner is None)
    with database.open_uow(read_only=True) as uow:
        kept = [one for one in ("4711", "i1") if uow.ledgers.find("fake", one, "search")]
    assert kept == ([owner] if owner else [])
