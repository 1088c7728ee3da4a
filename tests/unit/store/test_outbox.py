from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.ids import new_id
from shared.domain.notifications import (
    Notice,
    NoticeStatus,
    NotificationEvent,
    NotificationSettings,
)
from shared.store.database import Database
from tests.factories import NOW
from tests.store_kit import LATER, make_notice, seed_instance

SOON = NOW + timedelta(minutes=5)


def add(database: Database, *notices: Notice) -> None:
    with database.open_uow() as uow:
        for notice in notices:
            uow.outbox.add(notice)
        uow.commit()


def claim(database: Database, *, now: datetime = NOW, until: datetime = LATER) -> Sequence[Notice]:
    with database.open_uow() as uow:
        claimed = uow.outbox.claim_next(
            mail_id=new_id(), now=now, lease_until=until, gather_until=now + (SOON - NOW)
        )
        uow.commit()
    return claimed


def test_a_profile_has_the_usual_settings_until_it_chooses(database: Database) -> None:
    """What is saved reads back, the newest choice counts."""
    profile_id = seed_instance(database).profile_id
    chosen = NotificationSettings(
        profile_id=profile_id,
        recipients=("ops@example.com",),
        events=(NotificationEvent.SYNC_FAILED,),
    )
    with database.open_uow() as uow:
        assert uow.notifications.get(profile_id) == NotificationSettings(profile_id=profile_id)
        uow.notifications.save(replace(chosen, events=()), now=NOW)
        uow.notifications.save(chosen, now=LATER)
        assert uow.notifications.get(profile_id) == chosen


def test_a_notice_reads_back_and_follows_another_once(database: Database) -> None:
    """Of two that name the same one before them, the first counts."""
    instance = seed_instance(database)
    first = make_notice(instance, dedupe_key="after-x")
    add(database, first, make_notice(instance, dedupe_key="after-x", detail="another"))
    with database.open_uow(read_only=True) as uow:
        assert uow.outbox.find_last(instance.id, first.event) == first
        assert uow.outbox.find_last(instance.id, NotificationEvent.RECONNECT_NEEDED) is None


def test_a_claim_gathers_a_profiles_notices(database: Database) -> None:
    """Those due soon come along; another profile's and those due much later do not."""
    instance, other = seed_instance(database), seed_instance(database)
    due = make_notice(instance, not_before=NOW - timedelta(seconds=1))
    soon = make_notice(instance, not_before=SOON, created_at=NOW + timedelta(seconds=1))
    add(database, soon, due, make_notice(instance, not_before=LATER), make_notice(other))
    claimed = [claim(database), claim(database), claim(database)]
    assert [notice.id for notice in claimed[0]] == [due.id, soon.id]
    assert [notice.profile_id for notice in claimed[1]] == [other.profile_id]
    assert claimed[2] == ()
    assert len({notice.mail_id for mail in claimed for notice in mail}) == 2
    assert {notice.attempts for mail in claimed for notice in mail} == {1}


def test_a_claim_that_ran_out_is_taken_over_under_its_id(database: Database) -> None:
    """The mail keeps its id and its notices; what came later is a mail of its own."""
    instance = seed_instance(database)
    add(database, make_notice(instance))
    [first] = claim(database)
    add(database, make_notice(instance))
    [again] = claim(database, now=LATER, until=LATER + timedelta(minutes=10))
    [second] = claim(database, now=LATER, until=LATER + timedelta(minutes=10))
    mails = [again, second]
    assert [mail.mail_id == first.mail_id for mail in mails].count(True) == 1
    assert sorted(mail.attempts for mail in mails) == [1, 2]


def test_only_the_last_claim_may_end_in_failure(database: Database) -> None:
    """A sender whose lease is over neither puts off nor gives up what another holds."""
    instance = seed_instance(database)
    add(database, make_notice(instance))
    [late] = claim(database)
    [holder] = claim(database, now=LATER, until=LATER + timedelta(minutes=10))
    with database.open_uow() as uow:
        uow.outbox.give_up(late, error="late", now=LATER)
        uow.outbox.postpone(late, not_before=NOW, error="late", now=LATER)
        uow.commit()
        assert uow.outbox.find_last(instance.id, late.event) == holder
    with database.open_uow() as uow:
        uow.outbox.give_up(holder, error="550", now=LATER)
        uow.commit()
        last = uow.outbox.find_last(instance.id, late.event)
    assert last is not None
    assert (last.status, last.error) == (NoticeStatus.FAILED, "550")


def test_what_is_done_stays_done(database: Database) -> None:
    """A mail that was sent is neither sent, dropped nor given up again."""
    instance = seed_instance(database)
    add(database, make_notice(instance))
    [held] = claim(database)
    with database.open_uow() as uow:
        uow.outbox.mark_sent(held, error="", now=NOW)
        uow.outbox.drop([held], error="healed", now=NOW)
        uow.outbox.give_up(held, error="550", now=NOW)
        uow.commit()
        last = uow.outbox.find_last(instance.id, held.event)
        assert uow.outbox.find_last_mail_at(instance.profile_id) == NOW
        assert uow.outbox.find_last_mail_at("nobody") is None
    assert last is not None
    assert (last.status, last.sent_at) == (NoticeStatus.SENT, NOW)
    assert claim(database, now=LATER) == ()
