from __future__ import annotations

import pytest

from adapters.convex.deployment import read_deployment
from shared.errors import AuthError, PermanentError

URL = "https://happy-animal-123.convex.cloud"
KEY = "prod:happy-animal-123|c2VjcmV0"


@pytest.mark.parametrize(
    ("url", "key", "name"),
    [
        (URL, KEY, "happy-animal-123"),
        (f" {URL}/ ", "dev:happy-animal-123|x", "happy-animal-123"),
        ("https://calm-cow-456.eu-west-1.convex.cloud", "preview:calm-cow-456|x", "calm-cow-456"),
        ("http://127.0.0.1:3210", "convex-self-hosted|01ab", "convex-self-hosted"),
        ("https://convex.example.org", "prod:happy-animal-123|x", "happy-animal-123"),
    ],
)
def test_every_kind_of_deployment_is_understood(url: str, key: str, name: str) -> None:
    """Cloud deployments of any region, custom domains and self-hosted back ends have a name."""
    deployment = read_deployment(url=url, key=key)
    assert deployment.name == name
    assert not deployment.url.endswith("/")
    assert key not in repr(deployment)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "https://<name>.convex.cloud"),
        ("happy-animal-123", "https://<name>.convex.cloud"),
        ("https://[broken", "https://<name>.convex.cloud"),
        (f"{URL}/api", "bare address"),
        (f"{URL}/?x=1", "bare address"),
        (f"{URL}#x", "bare address"),
        ("https://me:secret@happy-animal-123.convex.cloud", "bare address"),
        ("https://happy-animal-123.convex.site", "ends in .convex.cloud"),
    ],
)
def test_a_wrong_url_is_told(url: str, told: str) -> None:
    """What is not the bare address of a deployment says what to give instead."""
    with pytest.raises(PermanentError, match=told) as caught:
        read_deployment(url=url, key=KEY)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "not a Convex deploy key"),
        ("c2VjcmV0", "not a Convex deploy key"),
        ("prod:happy-animal-123|", "not a Convex deploy key"),
        ("prod:|c2VjcmV0", "not a Convex deploy key"),
        ("prod:happy-animal-123|c2Vj\ncmV0", "not a Convex deploy key"),
        ("project:team:proj|c2VjcmV0", "project or team"),
        ("team:acme|c2VjcmV0", "project or team"),
        ("preview:team:proj|c2VjcmV0", "project or team"),
        ("other:happy-animal-123|c2VjcmV0", "unknown type"),
        ("prod:calm-cow-456|c2VjcmV0", "calm-cow-456"),
    ],
)
def test_a_wrong_key_is_told_without_its_secret(key: str, told: str) -> None:
    """What is not the key of this deployment says what to do, and never repeats the secret."""
    with pytest.raises(AuthError, match=told) as caught:
        read_deployment(url=URL, key=key)
    assert "c2VjcmV0" not in caught.value.message
