"""`python -m benchmarks.providers_reads linkhub|raw-requests [SECONDS]`: one read in this process.

Where HubSpot is and the token come from HUBSPOT_URL and HUBSPOT_TOKEN. Prints one JSON object: the
records read and the seconds it took. With SECONDS it stops after so many.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import requests

from adapters import find_provider
from shared.ports.provider import ConnectRequest, Credentials

PROPERTIES: Final = (
    *("dealname", "amount", "dealstage", "pipeline", "closedate"),
    *("createdate", "hs_lastmodifieddate", "dealtype", "hubspot_owner_id", "description"),
)
VERSION: Final = "2026-03"


def read_by_linkhub() -> Iterator[int]:
    """Yield the number of live deals of each page of the adapter's full read."""
    with tempfile.TemporaryDirectory() as folder:
        connection = find_provider("hubspot").connect(
            ConnectRequest(
                credentials=Credentials(values={"api_key": os.environ["HUBSPOT_TOKEN"]}),
                options={"base_url": os.environ["HUBSPOT_URL"], "api_version": VERSION},
                selection={"deals": PROPERTIES},
                work_dir=Path(folder),
                sleep=time.sleep,
                allow_private_hosts=True,
            )
        )
        for page in connection.read("deals", None):
            yield sum(hasattr(change, "record") for change in page.changes)
        connection.close()


def read_by_requests() -> Iterator[int]:
    """Yield the number of deals of each page, as the shortest loop there is reads them."""
    url = f"{os.environ['HUBSPOT_URL']}/crm/objects/{VERSION}/deals"
    params = {"limit": "100", "properties": ",".join(PROPERTIES)}
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {os.environ['HUBSPOT_TOKEN']}"
        while True:
            page = session.get(url, params=params, timeout=60).json()
            yield len(page["results"])
            if "paging" not in page:
                return
            params["after"] = page["paging"]["next"]["after"]


READS: Final = {"linkhub": read_by_linkhub, "raw-requests": read_by_requests}


def main() -> None:
    """Run one read and print what it took."""
    name, *rest = sys.argv[1:]
    longest = float(rest[0]) if rest else float("inf")
    import_module("adapters.hubspot.connection")  # which the first job of a worker loads
    began = time.perf_counter()
    records = 0
    for count in READS[name]():
        records += count
        if time.perf_counter() - began >= longest:
            break
    seconds = time.perf_counter() - began
    print(json.dumps({"records": records, "seconds": seconds}))


if __name__ == "__main__":
    main()
