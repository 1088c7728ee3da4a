"""What a language must be able to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.domain.notifications import NotificationEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWording:
    """The texts of one event. `$instance` and `$provider` stand for names.

    `title` is the subject where a mail tells of one thing only; `action` is the text of the link to
    the dashboard, which must make sense read alone.
    """

    title: str
    what: str
    todo: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Everything a mail says in one language; counts are functions, for plurals differ.

    `digest` is the subject of several things at once, always two or more; `more` tells how many
    there is no room for, one or more.
    """

    language: str
    events: Mapping[NotificationEvent, EventWording]
    digest: Callable[[int], str]
    more: Callable[[int], str]
    when_label: str
    detail_label: str
    footer: str
    moment: Callable[[datetime], str]
