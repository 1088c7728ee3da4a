"""The pages a person sees at an authorization server: plain HTML, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from starlette.responses import HTMLResponse

from local.sandbox.oauth.tokens import Account

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
fieldset { margin: 1.5rem 0; padding: .75rem 1rem; }
label { display: block; padding: .5rem 0; }
small { display: block; margin-left: 1.75rem; }
button { font: inherit; padding: .5rem 1.5rem; margin: 0 .75rem .75rem 0; min-height: 2.75rem; }
:focus-visible { outline: 3px solid #1a6fd4; outline-offset: 2px; }
"""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def consent_page(
    *,
    title: str,
    lead: str,
    ticket: str,
    scopes: Mapping[str, str],
    accounts: Sequence[Account],
    buttons: Mapping[str, str],
    marked: Sequence[str] = (),
) -> HTMLResponse:
    """Return a form that posts `ticket`, `account` and `decision` to the authorize address.

    `scopes` maps each one asked for to what it allows; those of `marked` are an administrator's to
    give. `buttons` maps each value of `decision` to its text. The first account is chosen already.
    """
    asked = "".join(
        f"<li><code>{escape(name)}</code>{': ' if text else ''}{escape(text)}"
        f"{' <strong>(needs an administrator)</strong>' if name in marked else ''}</li>"
        for name, text in scopes.items()
    )
    choices = "".join(
        f'<label><input type="radio" name="account" value="{escape(account.id)}" required'
        f"{' checked' if number == 0 else ''}> {escape(account.label)}"
        f"<small>{escape(account.detail)}</small></label>"
        for number, account in enumerate(accounts)
    )
    fields = f"<fieldset><legend>Account</legend>{choices}</fieldset>" if choices else ""
    submits = "".join(
        f'<button name="decision" value="{escape(value)}">{escape(text)}</button>'
        for value, text in buttons.items()
    )
    return _page(
        title,
        f"<p>{escape(lead)}</p><ul>{asked}</ul>"
        f'<form method="post" action="authorize">'
        f'<input type="hidden" name="ticket" value="{escape(ticket)}">{fields}{submits}</form>',
    )


def error_page(text: str, *, title: str = "This link does not work") -> HTMLResponse:
    """Return the 400 of a request that must not be sent back to where it says it came from."""
    return _page(title, f'<p role="alert">{escape(text)}</p>', status=400)


def _page(title: str, content: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Sandbox</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{content}"
        f"<p><small>This is an emulator: no real account is touched.</small></p>"
        f"</main></body></html>",
        status,
        headers=_HEADERS,
    )
