"""How an authorization server behaves; a test or a person changes it while it runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def _redirect_uri(text: str) -> str:
    parts = urlsplit(text)
    if not parts.netloc or parts.fragment:
        raise ValueError("a redirect URI is absolute and has no fragment")
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return text
    raise ValueError("a redirect URI is https, or http on loopback")


RedirectUri = Annotated[str, AfterValidator(_redirect_uri)]


class Settings(BaseModel):
    """What can be set; each provider has defaults of its own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    redirect_uris: list[RedirectUri] = []
    """Registered ones; a request must name one of them, to the character."""
    rotate: bool = False
    """Every refresh gives a new refresh token in place of the one it used."""
    reuse: Literal["accept", "refuse", "revoke_family"] = "refuse"
    """What a refresh token that was replaced brings about: nothing (it works on), a refusal, or a
    refusal and the end of everything that came from the same consent."""
    grace_seconds: float = Field(default=0, ge=0)
    """For so long after it was replaced a refresh token still works, and that is no reuse."""
    access_token_seconds: int = Field(default=1800, ge=1)
    refresh_token_seconds: int = Field(default=0, ge=0)
    """0: they never expire."""
    code_seconds: int = Field(default=60, ge=0)

    def change(self, wish: dict[str, Any]) -> None:
        """Take over what `wish` names; raise pydantic's ValidationError and change nothing else."""
        self._take(type(self).model_validate(self.model_dump() | wish))

    def reset(self, initial: Self) -> None:
        """Become `initial` again."""
        self._take(initial.model_copy(deep=True))

    def _take(self, other: Self) -> None:
        for name in type(self).model_fields:
            setattr(self, name, getattr(other, name))
