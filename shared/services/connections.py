"""Opening a connection to an instance's provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from shared.domain.instances import Instance
from shared.domain.oauth import is_token_set
from shared.domain.providers import AuthType
from shared.errors import AuthError, ConflictError, InvalidInputError, NotFoundError
from shared.ports.provider import Connection, ConnectRequest, Credentials
from shared.ports.vault import Vault
from shared.services.deps import FindProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.providers import ProviderSpec
    from shared.services.provider_health import ProviderHealth
    from shared.services.token_refresh import TokenKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """Opens connections with what the platform decides, so that adapters read no settings.

    `platform_options` are options by provider slug that a customer cannot choose (base URLs).
    `keeper` keeps the tokens of instances that signed in by OAuth, `health` what all syncs of an
    account know of its provider.
    """

    find_provider: FindProvider
    work_dir: Path
    allow_private_hosts: bool = False
    platform_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    keeper: TokenKeeper | None = None
    health: ProviderHealth | None = None

    def open(
        self,
        provider: str,
        *,
        credentials: Credentials,
        options: Mapping[str, str],
        sleep: Callable[[float], None],
        selection: Mapping[str, Sequence[str]] | None = None,
        whole: frozenset[str] = frozenset(),
        interactive: bool = False,
        account: str = "",
    ) -> Connection:
        """Return an opened connection; the caller closes it.

        `account` is whose request limits it keeps, and whose breaker stops it: the provider's own
        id, or '' for the instance alone. A breaker stops nobody who is looking. Raises
        TransientError, with the time to wait, while it is open.
        """
        definition = self.find_provider(provider)
        defaults = {option.name: option.default for option in definition.spec.options}
        tokens = None
        if self.keeper is not None and credentials.instance_id and is_token_set(credentials.values):
            tokens = self.keeper.sources(
                provider, credentials, sleep=sleep, interactive=interactive
            )
        owner = account or credentials.instance_id
        health = self.health if owner else None
        budgets = None
        if health is not None:
            budgets = health.budgets(definition.spec, owner, sleep=sleep, interactive=interactive)
        request = ConnectRequest(
            credentials=credentials,
            tokens=tokens,
            budgets=budgets,
            options={**defaults, **options, **self.platform_options.get(provider, {})},
            selection=selection or {},
            whole=whole,
            work_dir=self.work_dir,
            sleep=sleep,
            interactive=interactive,
            allow_private_hosts=self.allow_private_hosts,
        )
        if health is None or interactive:
            return definition.connect(request)
        secrets = tuple(credentials.values.values())
        return health.watched(
            definition.spec, owner, lambda: definition.connect(request), secrets=secrets
        )


def stored_credentials(instance: Instance, secret_ref: str, *, vault: Vault) -> Credentials:
    """Return the instance's credentials; raise AuthError where it has none."""
    if not secret_ref:
        raise AuthError(f"{instance.name} is not connected yet: connect it first.")
    try:
        return Credentials(values=vault.get(secret_ref), instance_id=instance.id)
    except NotFoundError:
        raise AuthError(f"The credentials of {instance.name} are gone: connect it again.") from None


def checked_credentials(spec: ProviderSpec, given: Mapping[str, str]) -> dict[str, str]:
    """Return what a person gave to sign in with: "api_key", or "username" and "password".

    Raises ConflictError where the provider takes neither, InvalidInputError naming each part that
    is missing, not asked for, or cannot stand in a header of RFC 7617.
    """
    ways: list[tuple[str, ...]] = []
    if spec.auth_type is AuthType.API_KEY or spec.api_key_label:
        ways.append(("api_key",))
    if spec.auth_type is AuthType.BASIC:
        ways.append(("username", "password"))
    if not ways:
        raise ConflictError(f"{spec.name} takes no key: connect it by {spec.auth_type.value}.")
    wanted = max(ways, key=lambda way: len(given.keys() & set(way)))
    errors = [
        (_wire_name(name), f"{spec.name} is connected by {_listed(wanted)}")
        for name in given
        if name not in wanted
    ]
    errors += [(_wire_name(name), "it is required") for name in wanted if not given.get(name)]
    if ":" in given.get("username", ""):
        errors.append(("username", "it cannot hold a colon"))
    errors += [
        (name, "it holds characters that none has, such as a line break")
        for name in ("username", "password")
        if not given.get(name, "").isprintable()
    ]
    if errors:
        text = "; ".join(f"{where}: {what}" for where, what in errors)
        raise InvalidInputError(f"The credentials are not right: {text}.", errors=errors)
    return dict(given)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(_wire_name(name) for name in names)


def checked_options(spec: ProviderSpec, given: Mapping[str, str]) -> dict[str, str]:
    """Return the options a person gave; raise InvalidInputError naming each that is wrong."""
    names = [option.name for option in spec.options]
    known = ", ".join(_wire_name(name) for name in names) or "none"
    errors = [
        (f"options.{_wire_name(name)}", f"{spec.name} has no such option; it has: {known}")
        for name in given
        if name not in names
    ]
    errors += [
        (f"options.{_wire_name(option.name)}", f"{option.label} is required")
        for option in spec.options
        if option.required and not given.get(option.name, "").strip()
    ]
    errors += [
        (f"options.{_wire_name(option.name)}", f"it must be one of {', '.join(option.choices)}")
        for option in spec.options
        if option.choices and given.get(option.name, option.default).strip() not in option.choices
    ]
    if errors:
        text = "; ".join(f"{where}: {what}" for where, what in errors)
        raise InvalidInputError(f"The connection options are not right: {text}.", errors=errors)
    return {name: value.strip() for name, value in given.items()}


def _wire_name(name: str) -> str:
    """Return the camelCase a person knows an option by."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
