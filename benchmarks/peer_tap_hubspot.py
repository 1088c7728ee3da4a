"""Run by the tap's own Python: `peer_tap_hubspot.py tap-hubspot FOLDER`.

Reads HubSpot's deals by meltano-tap-hubspot, its messages written to a file, and prints one JSON
object. The tap has HubSpot's address built in and always asks for every property: both are replaced
here, the second in its favour.
"""

import json
import os
import sys
import time
from contextlib import redirect_stdout
from functools import cached_property
from pathlib import Path

from tap_hubspot.client import DynamicHubspotStream
from tap_hubspot.streams import DealStream
from tap_hubspot.tap import TapHubspot

PROPERTIES = (
    *("dealname", "amount", "dealstage", "pipeline", "closedate"),
    *("createdate", "hs_lastmodifieddate", "dealtype", "hubspot_owner_id", "description"),
)


def main() -> None:
    """Sync the stream of deals and print what it took."""
    _, folder = sys.argv[1:]
    DealStream.url_base = f"{os.environ['HUBSPOT_URL']}/crm/v3"
    names = cached_property(lambda _self: dict.fromkeys(PROPERTIES, "string"))
    names.__set_name__(DynamicHubspotStream, "hs_properties")
    DynamicHubspotStream.hs_properties = names
    TapHubspot.discover_streams = lambda tap: [DealStream(tap)]
    config = {"access_token": os.environ["HUBSPOT_TOKEN"]}
    messages = Path(folder) / "messages.jsonl"
    with messages.open("w", encoding="utf-8") as file, redirect_stdout(file):
        began = time.perf_counter()
        TapHubspot(config=config).sync_all()
        seconds = time.perf_counter() - began
    with messages.open(encoding="utf-8") as lines:
        records = sum(line.startswith('{"type":"RECORD"') for line in lines)
    print(json.dumps({"records": records, "seconds": seconds}))


if __name__ == "__main__":
    main()
