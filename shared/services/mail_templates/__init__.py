"""The texts of mails: one module a language, one HTML layout for all.

Another language is a module beside `en` and `it` that makes a `Wording`, and its name in
`wordings`; the type checker then names every text that is missing.
"""

from __future__ import annotations

from shared.services.mail_templates.rendering import RenderedMail, render

__all__ = ["RenderedMail", "render"]
