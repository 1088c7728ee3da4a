from __future__ import annotations

import threading

import pytest

from shared.domain.instances import Instance, StatusReason
from shared.domain.notifications import (
    GATHERED_FOR,
    MAIL_AGAIN_AFTER,
    MOST_ATTEMPTS,
    NoticeStatus,
    NotificationSettings,
)
from shared.errors import AuthError, PermanentError, TransientError
from shared.ports.mailer import MailMessage
from shared.services.notifications import mark_broken
from shared.services.outbox import LEASE, send_due
from tests.fakes import PowerCutError
from tests.mail_kit import FakeMailer, notices_of
from tests.world import World, world

__all__ = ["world"]


def broken(world: World, **values: str) -> Instance:
    """Return a new instance that has just failed; its notice waits in the outbox."""
    instance = world.add_instance(**values)
    fail(world, instance)
    return instance


def broken_of_another(world: World, subject: str) -> Instance:
    email = f"{subject}@example.com"
    return broken(world, profile_id=world.add_profile(subject=subject, email=email))


def fail(world: World, instance: Instance) -> None:
    with world.database.open_uow() as uow:
        mark_broken(
            uow, instance.id, StatusReason.SYNC_FAILED, detail="no such table", now=world.clock()
        )
        uow.commit()


def heal(world: World, instance: Instance) -> None:
    with world.database.open_uow() as uow:
        uow.instances.heal(instance.id, now=world.clock())
        uow.commit()


def send(world: World, mailer: FakeMailer, *, dashboard_url: str = "") -> int:
    return send_due(
        open_uow=world.database.open_uow,
        mailer=mailer,
        now=world.clock,
        dashboard_url=dashboard_url,
    )


def send_later(world: World, mailer: FakeMailer) -> list[MailMessage]:
    """Send once the time to gather is over; return what has been sent so far."""
    world.clock.now += GATHERED_FOR
    send(world, mailer)
    return mailer.sent


def test_a_notice_becomes_one_mail_once(world: World) -> None:
    """It leaves when its time has come, to the profile's address, and never again."""
    instance, mailer = broken(world, name="Sales"), FakeMailer()
    assert send(world, mailer, dashboard_url="https://linkhub.test/app/") == 0
    world.clock.now += GATHERED_FOR
    assert send(world, mailer, dashboard_url="https://linkhub.test/app/") == 1
    world.clock.move(days=30)
    assert send(world, mailer) == 0
    [mail] = mailer.sent
    assert mail.to == ("ada@example.com",)
    assert mail.subject == "Sync failed: Sales (Fake)"
    assert "no such table" in mail.text
    assert f"https://linkhub.test/app/instances/{instance.id}" in mail.text
    assert f'href="https://linkhub.test/app/instances/{instance.id}"' in mail.html
    [notice] = notices_of(world.database, instance.id)
    assert (notice.status, notice.mail_id) == (NoticeStatus.SENT, mail.message_id)
    assert mailer.closed == 3


def test_a_storm_of_failures_is_one_mail(world: World) -> None:
    """A hundred connections of a profile that fail at once are told together."""
    profile_id, mailer = world.add_profile(), FakeMailer()
    for number in range(100):
        broken(world, profile_id=profile_id, connection_key=str(number), name=f"Depot {number}")
        world.clock.move(seconds=2)
    [mail] = send_later(world, mailer)
    assert mail.subject == "100 connections need your attention"
    assert "* Sync failed: Depot 19 (Fake)" in mail.text
    assert "Depot 20" not in mail.text
    assert "And 80 more connections." in mail.text
    world.clock.move(days=3)
    assert send(world, mailer) == 0


def test_an_outage_of_an_hour_is_two_mails(world: World) -> None:
    """Connections that fail one after the other are told at once, then an hour later."""
    profile_id, mailer = world.add_profile(), FakeMailer()
    for number in range(60):
        broken(world, profile_id=profile_id, connection_key=str(number))
        send(world, mailer)
        world.clock.move(minutes=1)
    assert len(mailer.sent) == 1
    world.clock.now += MAIL_AGAIN_AFTER
    send(world, mailer)
    assert len(mailer.sent) == 2


def test_profiles_never_share_a_mail(world: World) -> None:
    """What is gathered is gathered by profile."""
    broken_of_another(world, "ada")
    broken_of_another(world, "grace")
    mails = send_later(world, FakeMailer())
    assert sorted(mail.to for mail in mails) == [("ada@example.com",), ("grace@example.com",)]


def test_two_senders_at_once_send_each_mail_once(world: World) -> None:
    """Threads that race for the same mails never hold the same one."""
    for number in range(8):
        broken_of_another(world, f"person-{number}")
    world.clock.now += GATHERED_FOR
    mailers = [FakeMailer() for _ in range(4)]
    start = threading.Barrier(len(mailers))

    def work(mailer: FakeMailer) -> None:
        start.wait()
        send(world, mailer)

    threads = [threading.Thread(target=work, args=(mailer,)) for mailer in mailers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = [mail for mailer in mailers for mail in mailer.sent]
    assert len(sent) == 8
    assert len({mail.to for mail in sent}) == len({mail.message_id for mail in sent}) == 8


def test_a_crash_between_sending_and_marking_repeats_the_same_message_id(world: World) -> None:
    """The one duplicate there can be is recognizable as such, and comes after the lease only."""
    broken(world)
    world.clock.now += GATHERED_FOR

    def power_cut() -> None:
        raise PowerCutError

    dying, next_one = FakeMailer(after_send=power_cut), FakeMailer()
    with pytest.raises(PowerCutError):
        send(world, dying)
    assert send(world, next_one) == 0
    world.clock.now += LEASE
    assert send(world, next_one) == 1
    assert next_one.sent == dying.sent
    world.clock.now += LEASE
    assert send(world, next_one) == 0


def test_what_comes_after_a_crash_is_another_mail(world: World) -> None:
    """A mail that was begun takes no further notices in: its id stands for what it told."""
    profile_id = world.add_profile()
    broken(world, profile_id=profile_id, connection_key="one", name="One")
    world.clock.now += GATHERED_FOR
    dying = FakeMailer(errors=[TransientError("busy")])
    send(world, dying)
    broken(world, profile_id=profile_id, connection_key="two", name="Two")
    mails = send_later(world, FakeMailer())
    assert ["One" in mail.text and "Two" in mail.text for mail in mails] == [False, False]
    assert len({mail.message_id for mail in mails}) == 2


def test_a_sender_that_is_late_does_not_undo_what_another_did(world: World) -> None:
    """A failure told after the lease belongs to a claim that is over."""
    instance = broken(world)
    world.clock.now += GATHERED_FOR
    other = FakeMailer()

    class Slow(FakeMailer):
        def send(self, message: MailMessage) -> tuple[str, ...]:
            world.clock.now += LEASE
            send(world, other)
            raise PermanentError("too late to matter")

    assert send(world, Slow()) == 0
    [notice] = notices_of(world.database, instance.id)
    assert (notice.status, len(other.sent)) == (NoticeStatus.SENT, 1)


def test_what_is_no_longer_so_is_not_told(world: World) -> None:
    """A connection that works again, or is gone, leaves a mail before it is out."""
    profile_id = world.add_profile()
    keys = ("one", "two", "three")
    one, two, three = (
        broken(world, profile_id=profile_id, connection_key=key, name=key) for key in keys
    )
    heal(world, one)
    with world.database.open_uow() as uow:
        uow.instances.soft_delete(two.id, now=world.clock())
        uow.commit()
    [mail] = send_later(world, FakeMailer())
    assert mail.subject == "Sync failed: three (Fake)"
    assert "one" not in mail.text.split()
    states = [notices_of(world.database, each.id)[0].status for each in (one, two, three)]
    assert states == [NoticeStatus.DROPPED, NoticeStatus.DROPPED, NoticeStatus.SENT]


def test_an_instance_that_breaks_after_its_notice_was_dropped_is_told(world: World) -> None:
    """Dropping ends one notice, not the telling."""
    instance, mailer = broken(world), FakeMailer()
    heal(world, instance)
    assert send_later(world, mailer) == []
    fail(world, instance)
    assert len(send_later(world, mailer)) == 1


def test_settings_say_who_is_told(world: World) -> None:
    """Recipients chosen before the mail leaves are the ones it goes to."""
    instance = broken(world)
    chosen = NotificationSettings(
        profile_id=instance.profile_id, recipients=("ops@example.com", "grace@example.com")
    )
    with world.database.open_uow() as uow:
        uow.notifications.save(chosen, now=world.clock())
        uow.commit()
    [mail] = send_later(world, FakeMailer())
    assert mail.to == ("ops@example.com", "grace@example.com")


def test_settings_switched_off_meanwhile_are_heeded(world: World) -> None:
    """Nobody is told of what they have just asked not to hear."""
    instance = broken(world)
    with world.database.open_uow() as uow:
        chosen = NotificationSettings(profile_id=instance.profile_id, events=())
        uow.notifications.save(chosen, now=world.clock())
        uow.commit()
    assert send_later(world, FakeMailer()) == []
    assert notices_of(world.database, instance.id)[0].status is NoticeStatus.DROPPED


def test_a_profile_without_an_address_is_a_failure_with_its_reason(world: World) -> None:
    """An operator can see why nobody was told."""
    instance = broken(world, profile_id=world.add_profile(email=""))
    assert send_later(world, FakeMailer()) == []
    [notice] = notices_of(world.database, instance.id)
    assert notice.status is NoticeStatus.FAILED
    assert "no address" in notice.error


def test_a_profile_is_told_in_its_language_and_its_time(world: World) -> None:
    """An Italian profile reads Italian, with the hour its own clock showed."""
    profile_id = world.add_profile(locale="it-IT", time_zone="Europe/Rome")
    broken(world, profile_id=profile_id, name="Vendite")
    [mail] = send_later(world, FakeMailer())
    assert mail.language == "it"
    assert mail.subject == "Sincronizzazione non riuscita: Vendite (Fake)"
    assert "Quando: 21 novembre 2026, ore 09:00 (Europe/Rome)" in mail.text


def test_a_busy_server_is_tried_later_and_later_then_given_up(world: World) -> None:
    """The waits grow, the reason stays, and there is an end to it."""
    instance = broken(world)
    world.clock.now += GATHERED_FOR
    waits = []
    for number in range(MOST_ATTEMPTS):
        mailer = FakeMailer(errors=[TransientError(f"451 busy, {number}")])
        assert send(world, mailer) == 0
        assert not mailer.errors
        [notice] = notices_of(world.database, instance.id)
        assert notice.error == f"451 busy, {number}"
        waits.append(notice.not_before - world.clock())
        world.clock.now = max(world.clock(), notice.not_before)
    assert waits[:-1] == sorted(waits[:-1])
    assert notice.status is NoticeStatus.FAILED
    assert send(world, FakeMailer()) == 0


def test_a_sender_that_always_dies_gives_up_too(world: World) -> None:
    """A mail that kills its sender is not begun for ever."""
    instance = broken(world)
    world.clock.now += GATHERED_FOR
    mailer = FakeMailer(errors=[PowerCutError()] * 2 * MOST_ATTEMPTS)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(PowerCutError):
            send(world, mailer)
        world.clock.now += LEASE
    assert send(world, mailer) == 0
    assert len(mailer.errors) == MOST_ATTEMPTS
    [notice] = notices_of(world.database, instance.id)
    assert (notice.status, "stopped" in notice.error) == (NoticeStatus.FAILED, True)


def test_a_mail_that_can_never_arrive_is_given_up_at_once(world: World) -> None:
    """Others in the batch go out, and its reason is kept."""
    instance = broken_of_another(world, "ada")
    world.clock.move(seconds=1)  # so that hers is the first
    broken_of_another(world, "grace")
    mailer = FakeMailer(errors=[PermanentError("550 no such mailbox")])
    assert len(send_later(world, mailer)) == 1
    [notice] = notices_of(world.database, instance.id)
    assert (notice.status, notice.error) == (NoticeStatus.FAILED, "550 no such mailbox")


@pytest.mark.parametrize(
    ("errors", "tried"),
    [([AuthError("535")] * 5, 1), ([TransientError("unreachable")] * 5, 2)],
)
def test_a_server_in_trouble_costs_few_mails_an_attempt(
    world: World, errors: list[Exception], tried: int
) -> None:
    """A refused sign-in, or two failures in a row, end the batch: the rest waits untouched."""
    instances = [broken_of_another(world, f"person-{number}") for number in range(5)]
    assert send_later(world, FakeMailer(errors=errors)) == []
    attempts = [notices_of(world.database, each.id)[0].attempts for each in instances]
    assert sorted(attempts) == [0] * (5 - tried) + [1] * tried


def test_a_slow_server_does_not_keep_the_timer(world: World) -> None:
    """A batch begins no further mail once its time is used up; the next minute goes on."""
    for number in range(5):
        broken_of_another(world, f"person-{number}")
    mailer = FakeMailer(after_send=lambda: world.clock.move(seconds=15))
    assert len(send_later(world, mailer)) == 2
    send(world, mailer)
    assert len(mailer.sent) == 4


def test_recipients_that_were_left_out_are_noted(world: World) -> None:
    """A mail that reached somebody counts as sent; who did not get it can be read."""
    instance = broken(world)
    mailer = FakeMailer(left_out=("…@example.com was refused: 550 no such mailbox.",))
    send_later(world, mailer)
    [notice] = notices_of(world.database, instance.id)
    assert notice.status is NoticeStatus.SENT
    assert "550" in notice.error
