"""Mails from a notice to a mail server, by the timer and the settings that wire them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.domain.instances import InstanceStatus, StatusReason
from shared.domain.notifications import GATHERED_FOR
from shared.errors import PermanentError
from shared.services.notifications import mark_broken
from tests.functions.kit import HttpWorld
from tests.mail_kit import Mailbox, running_mailbox

USER, PASSWORD = "mailer", "smtp-canary-8c21"


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    folder: Path = tmp_path_factory.mktemp("mailbox")
    with running_mailbox(folder, "--login", f"{USER}:{PASSWORD}") as running:
        yield running
        assert PASSWORD not in (folder / "mailbox.log").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _empty(mailbox: Mailbox) -> None:
    mailbox.clear()


def use(world: HttpWorld, **settings: Any) -> None:
    world.app.settings = replace(world.app.settings, **settings)


def use_mailbox(world: HttpWorld, mailbox: Mailbox, **settings: Any) -> None:
    defaults = {
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox.port,
        "smtp_user": USER,
        "smtp_from": "LinkHub Integrator <integrator@linkhub.test>",
        "dashboard_url": "https://dashboard.test",
    }
    use(world, **{**defaults, **settings})


def break_one(world: HttpWorld) -> str:
    """Return an instance whose sign-in has just been refused; its notice is due."""
    client = world.caller("ada")
    client.put("me", {"name": "Ada", "email": "ada@example.com", "locale": "it"})
    instance_id: str = client.post("instances", {"provider": "fake"}).json["id"]
    with world.app.open_uow() as uow:
        made = uow.instances.get(instance_id, profile_id=None)
        active = replace(made, status=InstanceStatus.ACTIVE)
        uow.instances.save(active, expected_version=made.config_version)
        reason = StatusReason.NEEDS_RECONNECT
        mark_broken(uow, instance_id, reason, detail="401", now=world.clock())
        uow.commit()
    world.clock.now += GATHERED_FOR
    return instance_id


def test_a_refused_sign_in_reaches_its_person(world: HttpWorld, mailbox: Mailbox) -> None:
    """One tick later the mail is there, once, with a link to the instance."""
    use_mailbox(world, mailbox, smtp_password=PASSWORD)
    instance_id = break_one(world)
    for _ in range(3):
        world.trigger("tick", None)
        world.clock.move(minutes=1)
    [got] = mailbox.messages()
    assert got["to"] == ["ada@example.com"]
    assert got["subject"].startswith("Connessione da rinnovare")
    assert f"https://dashboard.test/instances/{instance_id}" in got["text"]
    assert got["user"] == USER


def test_the_password_may_lie_in_the_vault(world: HttpWorld, mailbox: Mailbox) -> None:
    """Its name is a setting; the secret is read when the first mail is due."""
    use_mailbox(world, mailbox, smtp_password_secret="smtp-password")
    world.app.vault.put("smtp-password", {"password": PASSWORD})
    break_one(world)
    world.trigger("tick", None)
    assert len(mailbox.messages()) == 1


def test_without_a_mail_server_mails_wait(
    world: HttpWorld, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so once, the timer's other work is done, and nothing is lost."""
    break_one(world)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            world.trigger("tick", None)
    assert [record.message for record in caplog.records] == [
        "SMTP_HOST is not set: mails stay in the outbox."
    ]
    del world.app.mailer
    use_mailbox(world, mailbox, smtp_password=PASSWORD)
    world.trigger("tick", None)
    assert len(mailbox.messages()) == 1


@pytest.mark.parametrize("missing", [{"smtp_from": ""}, {"smtp_password_secret": ""}])
def test_a_setting_that_is_missing_is_named(
    world: HttpWorld, mailbox: Mailbox, missing: dict[str, str]
) -> None:
    """A half set-up mail server is told from none."""
    use_mailbox(world, mailbox, **missing)
    with pytest.raises(PermanentError, match=next(iter(missing)).upper()):
        world.trigger("tick", None)
