"""The HTTP side: `GET /` for people, `GET /messages` for programs, `DELETE /messages`."""

from __future__ import annotations

import html

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from local.sandbox.mailbox.letters import Letter, Letters
from local.sandbox.web import json_response

_SAFE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""A mail's HTML comes from anywhere: it may look as it likes and do nothing."""


def mailbox_app(letters: Letters) -> Starlette:
    """Return the app that shows the letters."""

    async def page(_: Request) -> Response:
        rows = "".join(_row(letter) for letter in reversed(letters.all()))
        body = f"<table>{_HEAD}<tbody>{rows}</tbody></table>" if rows else "<p>No mail yet.</p>"
        return HTMLResponse(_PAGE.replace("BODY", body))

    async def messages(_: Request) -> Response:
        return json_response({"messages": [letter.to_json() for letter in letters.all()]})

    async def clear(_: Request) -> Response:
        letters.clear()
        return Response(status_code=204)

    async def body(request: Request) -> Response:
        letter = letters.find(request.path_params["number"])
        if letter is None:
            return json_response({"error": "There is no such mail."}, 404)
        return HTMLResponse(letter.part("html"), headers=_SAFE)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/messages", messages, methods=["GET"]),
            Route("/messages", clear, methods=["DELETE"]),
            Route("/messages/{number:int}/html", body),
        ]
    )


def _row(letter: Letter) -> str:
    told = letter.to_json()
    cells = (letter.received_at.strftime("%H:%M:%S"), ", ".join(told["to"]))
    link = f'<a href="messages/{letter.number}/html">{html.escape(told["subject"])}</a>'
    plain = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    text = html.escape(told["text"])
    return f"<tr>{plain}<td>{link}<details><summary>Text</summary><pre>{text}</pre></details></td>"


_HEAD = "<thead><tr><th>Received (UTC)</th><th>To</th><th>Subject</th></tr></thead>"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Sandbox mailbox</title>
<style>
body { font-family: system-ui, sans-serif; margin: 2rem; color: #1f2933 }
td, th { text-align: left; vertical-align: top; padding: .4rem 1rem .4rem 0 }
pre { white-space: pre-wrap }
</style>
</head>
<body>
<h1>Sandbox mailbox</h1>
BODY
</body>
</html>
"""
