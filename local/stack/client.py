"""The product's API as the demo and the tests call it: plain HTTP with a caller's token."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

import httpx

from local.stack.consent import give_consent

FINAL = {"success", "partial", "failed", "cancelled"}
_POLL_SECONDS = 0.25


class ApiError(Exception):
    """The API refused; the message is its problem document's detail."""


class ApiClient:
    """A signed-in caller."""

    def __init__(self, api: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=f"{api}/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer's JSON (None if empty); raise ApiError saying what was refused."""
        answer = self._http.request(method, path, json=body)
        if answer.is_error:
            try:
                text = answer.json()["detail"]
            except (ValueError, KeyError):
                text = answer.text[:500]
            raise ApiError(f"{method} {path}: {answer.status_code} {text}")
        return answer.json() if answer.content else None

    def connect(
        self,
        provider: str,
        *,
        api_key: str,
        options: dict[str, str] | None = None,
        destination: str = "",
    ) -> dict[str, Any]:
        """Make an instance and walk the wizard by key up to its last step; return the instance."""
        instance_id = self.call("POST", "instances", {"provider": provider})["id"]
        body = {"apiKey": api_key, "options": options or {}}
        self.call("PUT", f"instances/{instance_id}/connection", body)
        return self.set_up(instance_id, destination=destination)

    def sign_in(self, provider: str) -> dict[str, Any]:
        """Make an instance, sign in at the sandbox as a person does, and walk on; return it.

        The provider's redirect goes to this client's own API: its port may not be the one that is
        registered.
        """
        instance_id = self.call("POST", "instances", {"provider": provider})["id"]
        link = self.call("POST", f"instances/{instance_id}/oauth/start")["authorizeUrl"]
        back = httpx.URL(give_consent(link))
        api = self._http.base_url
        callback = back.copy_with(scheme=api.scheme, host=api.host, port=api.port)
        onward = httpx.get(callback, timeout=60)
        handed = dict(httpx.URL(onward.headers.get("location", "")).params)
        if "code" not in handed:
            raise ApiError(f"The sign-in came to nothing: {handed.get('error', onward.text[:500])}")
        self.call("POST", "oauth/complete", handed)
        return self.set_up(instance_id)

    def set_up(self, instance_id: str, *, destination: str = "") -> dict[str, Any]:
        """Confirm what the provider suggests (or all tables) and sync by hand; return the instance.

        For an instance that is connected, in whatever way. `destination` is the id of a warehouse;
        without one it is the app's own, or LinkHub.
        """
        path = f"instances/{instance_id}"
        rules = self.call("GET", f"{path}/mappings")["mappings"]
        if rules:
            self.call("PUT", f"{path}/mappings", {"mappings": rules})
        else:
            self.call("PUT", f"{path}/tables", {"tables": []})
        config = {"direction": "import", "frequency": "manual", "destination": destination}
        found: dict[str, Any] = self.call("PUT", f"{path}/sync-config", config)["instance"]
        return found

    def start(self, instance_id: str, *, mode: str = "full") -> dict[str, Any]:
        """Start a sync; return its job. The first one is the activation's, always a full one."""
        path = f"instances/{instance_id}"
        job: dict[str, Any]
        if self.call("GET", path)["setupStep"] == "sync_config":
            job = self.call("POST", f"{path}/activate")["job"]
        else:
            job = self.call("POST", f"{path}/jobs", {"mode": mode})
        return job

    def wait(
        self, job_id: str, *, seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Return the job once it is over; raise ApiError if it is not after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            job: dict[str, Any] = self.call("GET", f"jobs/{job_id}")
            if job["status"] in FINAL:
                return job
            if time.monotonic() > deadline:
                raise ApiError(f"Job {job_id} is still {job['status']} after {seconds:.0f} s.")
            meanwhile()
            time.sleep(_POLL_SECONDS)
