"""The languages there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.services.mail_templates import en, it
from shared.services.mail_templates.wording import Wording

WORDINGS: Final[Mapping[str, Wording]] = {
    wording.language: wording for wording in (en.WORDING, it.WORDING)
}


def wording_for(locale: str) -> Wording:
    """Return the texts in the language of a locale such as `it`, `it-CH` or `it_IT`, else English.

    A language's regional variant, where there is one, goes before the language itself.
    """
    tag = locale.replace("_", "-")
    language = tag.partition("-")[0].lower()
    return WORDINGS.get(tag) or WORDINGS.get(language) or en.WORDING
