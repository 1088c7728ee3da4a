"""What the environment says about providers, read by the rule of names."""

from __future__ import annotations

import pytest

from adapters import all_providers
from functions import bootstrap
from shared.domain.oauth import OAuthSpec
from shared.domain.platform_options import PlatformOption
from shared.errors import PermanentError
from shared.ports.provider import Connection, ConnectRequest, ProviderDefinition
from shared.services.platform import PlatformSettings, variables_of
from tests.store_kit import make_spec

URL = PlatformOption(name="base_url", default="https://api.test", is_url=True)
TENANT = PlatformOption(name="tenant", default="all")


def make_provider(
    slug: str = "two-words",
    *options: PlatformOption,
    client: str = "",
    shared: tuple[PlatformOption, ...] = (TENANT,),
) -> ProviderDefinition:
    oauth = None
    if client:
        oauth = OAuthSpec(
            client=client,
            authorize_url="{base_url}/authorize",
            token_url="{base_url}/token",
            account_of=lambda _: "",
            platform=shared,
        )
    return ProviderDefinition(
        spec=make_spec(slug=slug), connect=_connect, oauth=oauth, platform=options or (URL,)
    )


def _connect(request: ConnectRequest) -> Connection:
    raise AssertionError(request)


def read(*providers: ProviderDefinition, **env: str) -> PlatformSettings:
    return PlatformSettings.read(providers or (make_provider(),), env, allow_private_hosts=False)


def test_defaults_are_what_production_needs() -> None:
    """Without any variable each option is what its provider declares."""
    found = read(make_provider(client="guard"))
    assert found.options == {"two-words": {"base_url": "https://api.test", "tenant": "all"}}
    assert found.clients["guard"].secret_name == "guard-oauth-client"
    assert found.clients["guard"].client_id == ""


def test_names_follow_from_slug_client_and_option() -> None:
    """Capitals, with `_` for `-`; an empty variable counts as absent, and spaces do not count."""
    found = read(
        make_provider(client="the-guard"),
        PROVIDER_TWO_WORDS_BASE_URL=" https://other.test ",
        SIGN_IN_THE_GUARD_TENANT="",
        SIGN_IN_THE_GUARD_CLIENT_ID="me",
        SIGN_IN_THE_GUARD_CLIENT_SECRET="canary-5f1c",
        SIGN_IN_THE_GUARD_CLIENT_SECRET_NAME="elsewhere",
    )
    assert found.options["two-words"] == {"base_url": "https://other.test", "tenant": "all"}
    client = found.clients["the-guard"]
    assert (client.client_id, client.secret, client.secret_name) == (
        "me",
        "canary-5f1c",
        "elsewhere",
    )
    assert client.variable == "SIGN_IN_THE_GUARD_CLIENT_ID"
    assert "canary" not in repr(found)


def test_providers_share_what_their_server_is_told() -> None:
    """One variable of an authorization server reaches every provider that signs in there."""
    providers = (make_provider("one", client="guard"), make_provider("two", client="guard"))
    found = read(*providers, SIGN_IN_GUARD_TENANT="mine")
    assert {slug: options["tenant"] for slug, options in found.options.items()} == {
        "one": "mine",
        "two": "mine",
    }


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("PROVIDER_TWO_WORDS_BASE_ULR", "Did you mean PROVIDER_TWO_WORDS_BASE_URL?"),
        ("PROVIDER_TOW_WORDS_BASE_URL", "Did you mean PROVIDER_TWO_WORDS_BASE_URL?"),
        ("PROVIDER_X", "no provider has this option"),
        ("SIGN_IN_TWO_WORDS_CLIENT_ID", "no provider has this option"),
    ],
)
def test_an_unknown_name_is_told(name: str, hint: str) -> None:
    """A typing mistake does not pass for the default, and its text is not repeated."""
    with pytest.raises(PermanentError, match=name) as caught:
        read(**{name: "canary-5f1c"})
    assert hint in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["api.test", "http://api.test", "https://me:canary@api.test", "https://api.test/?canary", "x"],
)
def test_a_bad_url_is_told(url: str) -> None:
    """What the egress guard would refuse later is refused now, by its variable."""
    with pytest.raises(PermanentError, match="PROVIDER_TWO_WORDS_BASE_URL: ") as caught:
        read(PROVIDER_TWO_WORDS_BASE_URL=url)
    assert "canary" not in str(caught.value)


def test_plain_http_needs_private_hosts() -> None:
    """On a development machine an emulator is reached without TLS."""
    env = {"PROVIDER_TWO_WORDS_BASE_URL": "http://127.0.0.1:1/x"}
    found = PlatformSettings.read((make_provider(),), env, allow_private_hosts=True)
    assert found.options["two-words"]["base_url"] == "http://127.0.0.1:1/x"


def test_everything_wrong_is_told_at_once() -> None:
    """An operator mends all of it in one go."""
    with pytest.raises(PermanentError, match=r"PROVIDER_Y: .*BASE_URL: "):
        read(PROVIDER_Y="1", PROVIDER_TWO_WORDS_BASE_URL="2")


def test_a_name_is_declared_once() -> None:
    """Two slugs whose names meet, or providers that see one server otherwise, are a mistake."""
    meeting = (
        make_provider("a", PlatformOption(name="b_url")),
        make_provider("a-b", PlatformOption(name="url")),
    )
    with pytest.raises(PermanentError, match="PROVIDER_A_B_URL is declared twice"):
        variables_of(meeting)
    other = make_provider("b", client="guard", shared=(PlatformOption(name="tenant"),))
    with pytest.raises(PermanentError, match="SIGN_IN_GUARD_TENANT is declared twice"):
        variables_of((make_provider("a", client="guard"), other))


def test_every_provider_keeps_to_the_rule() -> None:
    """No two adapters declare one name, and their defaults pass the guard."""
    options = variables_of(all_providers())
    defaults = {name: option.default for name, option in options.items() if option.is_url}
    assert defaults
    read(*all_providers(), **defaults)


def test_a_mistake_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app is not composed over a setting that means nothing."""
    monkeypatch.setenv("PROVIDER_NOBODY_BASE_URL", "https://x.test")
    bootstrap.app.cache_clear()
    try:
        with pytest.raises(PermanentError, match="PROVIDER_NOBODY_BASE_URL"):
            bootstrap.app()
        monkeypatch.delenv("PROVIDER_NOBODY_BASE_URL")
        assert bootstrap.app().platform.options
    finally:
        bootstrap.app.cache_clear()
