"""What the environment says about providers, read by the rule of `platform_options`.

It is checked whole when the app starts: a name that no provider declares is a typing mistake whose
option would silently keep its default, and a URL that cannot be one fails here rather than in
somebody's sync.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Self

from shared.domain.platform_options import (
    PREFIXES,
    PlatformOption,
    provider_variable,
    sign_in_variable,
)
from shared.errors import PermanentError
from shared.http.egress import check_url
from shared.ports.provider import ProviderDefinition

CLIENT_ID, CLIENT_SECRET, SECRET_NAME = "client_id", "client_secret", "client_secret_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInClient:
    """Our registration at an authorization server, as far as the environment tells it.

    `secret` is '' where it stands in the vault, under `secret_name`. `variable` is where the
    client's id is set.
    """

    client_id: str
    secret: str = field(repr=False)
    secret_name: str
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSettings:
    """`options` by provider slug, those of its authorization server included; `clients` by name."""

    options: Mapping[str, Mapping[str, str]]
    clients: Mapping[str, SignInClient]

    @classmethod
    def read(
        cls,
        providers: Sequence[ProviderDefinition],
        env: Mapping[str, str],
        *,
        allow_private_hosts: bool,
    ) -> Self:
        """Return what `env` says, defaults filled in; an empty variable counts as absent.

        Raise PermanentError naming every variable that is unknown or wrong, without its text.
        """
        given = {name: text.strip() for name, text in env.items() if text.strip()}
        known = variables_of(providers)
        wrong = [_unknown(name, known) for name in sorted(given) if _is_ours(name, known)]
        for variable, option in known.items():
            if option.is_url and variable in given:
                try:
                    check_url(given[variable], allow_private_hosts=allow_private_hosts)
                except PermanentError as error:
                    wrong.append(f"{variable}: {error}")
        if wrong:
            raise PermanentError(f"These settings of providers are wrong: {' '.join(wrong)}")
        return cls(
            options={one.spec.slug: _options(one, given) for one in providers},
            clients={
                one.oauth.client: _client(one.oauth.client, given)
                for one in providers
                if one.oauth is not None
            },
        )


def variables_of(providers: Sequence[ProviderDefinition]) -> dict[str, PlatformOption]:
    """Return every variable there is by the rule, with the option it sets.

    Raise PermanentError where one name would set two options.
    """
    known: dict[str, PlatformOption] = {}
    for variable, option in _declared(providers):
        if known.setdefault(variable, option) != option:
            raise PermanentError(f"{variable} is declared twice, and not as the same option.")
    return known


def _declared(providers: Sequence[ProviderDefinition]) -> Iterator[tuple[str, PlatformOption]]:
    for provider in providers:
        for option in provider.platform:
            yield provider_variable(provider.spec.slug, option.name), option
        if provider.oauth is None:
            continue
        client = provider.oauth.client
        for option in (*provider.oauth.platform, *_registration(client)):
            yield sign_in_variable(client, option.name), option


def _registration(client: str) -> tuple[PlatformOption, ...]:
    return (
        PlatformOption(name=CLIENT_ID),
        PlatformOption(name=CLIENT_SECRET),
        PlatformOption(name=SECRET_NAME, default=f"{client}-oauth-client"),
    )


def _options(provider: ProviderDefinition, given: Mapping[str, str]) -> dict[str, str]:
    found = {}
    if oauth := provider.oauth:
        for option in oauth.platform:
            variable = sign_in_variable(oauth.client, option.name)
            found[option.name] = given.get(variable, option.default)
    for option in provider.platform:
        variable = provider_variable(provider.spec.slug, option.name)
        found[option.name] = given.get(variable, option.default)
    return found


def _client(client: str, given: Mapping[str, str]) -> SignInClient:
    found = {
        option.name: given.get(sign_in_variable(client, option.name), option.default)
        for option in _registration(client)
    }
    return SignInClient(
        client_id=found[CLIENT_ID],
        secret=found[CLIENT_SECRET],
        secret_name=found[SECRET_NAME],
        variable=sign_in_variable(client, CLIENT_ID),
    )


def _is_ours(name: str, known: Mapping[str, PlatformOption]) -> bool:
    return name.startswith(PREFIXES) and name not in known


def _unknown(name: str, known: Mapping[str, PlatformOption]) -> str:
    meant = get_close_matches(name, known, n=1)
    hint = f" Did you mean {meant[0]}?" if meant else ""
    return f"{name}: no provider has this option.{hint}"
