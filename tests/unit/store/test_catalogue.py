from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from shared.domain.checkpoints import Mode
from shared.domain.mapping import FieldMapping
from shared.domain.providers import ConnectionOption, Direction
from shared.domain.selections import DriftPolicy, TableSelection
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.store.database import Database
from shared.store.tables import providers
from tests.factories import NOW, make_profile
from tests.store_kit import LATER, make_spec, seed_instance


def test_a_provider_comes_back_as_declared(database: Database) -> None:
    """The catalogue entry is the spec, and active."""
    spec = make_spec(
        directions=(Direction.IMPORT, Direction.EXPORT),
        options=(ConnectionOption(name="url", label="URL", required=True, is_url=True),),
        oauth_scopes=("read", "write"),
        several_instances=True,
        incremental=False,
    )
    with database.open_uow() as uow:
        uow.providers.upsert(spec, now=NOW)
        entry = uow.providers.get("fake")
    assert entry.is_active
    assert all(getattr(entry, name) == getattr(spec, name) for name in spec.__dataclass_fields__)


def test_a_second_seed_brings_up_to_date_but_keeps_the_admins_choice(database: Database) -> None:
    """What an admin switched off stays off, whatever the adapter now says of itself."""
    with database.open_uow() as uow:
        uow.providers.upsert(make_spec(), now=NOW)
        uow.commit()
    with database.engine.begin() as connection:
        connection.execute(update(providers).values(is_active=False))
    with database.open_uow() as uow:
        uow.providers.upsert(make_spec(name="Renamed"), now=LATER)
        uow.providers.upsert(make_spec(slug="other", name="Another"), now=LATER)
        entry = uow.providers.get("fake")
        assert (entry.name, entry.is_active) == ("Renamed", False)
        assert [active.slug for active in uow.providers.list_active()] == ["other"]
        assert list(uow.providers.list_slugs()) == ["fake", "other"]


def test_an_unknown_provider_is_not_found(database: Database) -> None:
    """The message names the slug."""
    with pytest.raises(NotFoundError, match="'nope'"), database.open_uow() as uow:
        uow.providers.get("nope")


def test_a_profile_is_found_by_who_signs_in(database: Database) -> None:
    """Issuer and subject together, compared exactly."""
    profile = make_profile(locale="de", time_zone="Europe/Berlin")
    with database.open_uow() as uow:
        uow.profiles.add(profile)
        assert uow.profiles.get(profile.id) == profile
        assert uow.profiles.find_by_subject("https://issuer.test", "ada") == profile
        assert uow.profiles.find_by_subject("https://issuer.test", "Ada") is None
        with pytest.raises(NotFoundError):
            uow.profiles.get("none")


def test_a_caller_has_one_profile_but_many_may_have_no_caller(database: Database) -> None:
    """The unique rule holds only where somebody has signed in."""
    with database.open_uow() as uow:
        uow.profiles.add(make_profile(issuer=None, subject=None))
        uow.profiles.add(make_profile(issuer=None, subject=None))
        uow.profiles.add(make_profile())
        with pytest.raises(ConflictError):
            uow.profiles.add(make_profile())


def test_a_profile_can_be_changed(database: Database) -> None:
    """All but its id and when it was made; a taken caller conflicts."""
    profile, other = make_profile(), make_profile(subject="bob")
    with database.open_uow() as uow:
        uow.profiles.add(profile)
        uow.profiles.add(other)
        changed = replace(profile, name="Ada L.", updated_at=LATER)
        uow.profiles.save(changed)
        assert uow.profiles.get(profile.id) == changed
        with pytest.raises(NotFoundError):
            uow.profiles.save(make_profile(subject="eve"))
        with pytest.raises(ConflictError):
            uow.profiles.save(replace(other, subject="ada"))


RULE = FieldMapping(
    stream="deals", external_field="amount", entity="indicators", field="value", transform={"a": 1}
)


def test_mappings_are_replaced_and_keep_their_order(database: Database) -> None:
    """What was there before is gone; other instances keep theirs."""
    one, two = seed_instance(database), seed_instance(database)
    rules = [RULE, replace(RULE, field="name", transform=None), replace(RULE, field="code")]
    with database.open_uow() as uow:
        uow.mappings.replace(two.id, [RULE], now=NOW)
        uow.mappings.replace(one.id, [RULE], now=NOW)
        uow.mappings.replace(one.id, rules, now=NOW)
        assert uow.mappings.list_for(one.id) == rules
        uow.mappings.replace(one.id, [], now=NOW)
        assert uow.mappings.list_for(one.id) == []
        assert uow.mappings.list_for(two.id) == [RULE]


def test_two_mappings_cannot_fill_one_field(database: Database) -> None:
    """The message says what to do."""
    instance = seed_instance(database)
    with pytest.raises(InvalidInputError, match="same LinkHub field"), database.open_uow() as uow:
        uow.mappings.replace(instance.id, [RULE, replace(RULE, external_field="x")], now=NOW)


def test_table_selections_are_replaced_and_keep_their_order(database: Database) -> None:
    """Tables of components too; one named twice is refused."""
    instance = seed_instance(database)
    chosen = [
        TableSelection(table="flights", mode=Mode.FULL),
        TableSelection(
            component="auth", table="flights", mode=Mode.INCREMENTAL, drift=DriftPolicy.FREEZE
        ),
    ]
    with database.open_uow() as uow:
        uow.selections.replace(instance.id, chosen, now=NOW)
        assert uow.selections.list_for(instance.id) == chosen
        with pytest.raises(InvalidInputError, match="twice"):
            uow.selections.replace(instance.id, [chosen[0], chosen[0]], now=NOW)
