"""Run by dlt's own Python: `peer_dlt_hubspot.py dlt-extract|dlt-duckdb FOLDER`.

Reads HubSpot's deals by dlt's rest_api source, with its defaults, and prints one JSON object.
"""

import json
import os
import sys
import time
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source

PROPERTIES = (
    "dealname,amount,dealstage,pipeline,closedate,"
    "createdate,hs_lastmodifieddate,dealtype,hubspot_owner_id,description"
)


def main() -> None:
    """Extract, or load into DuckDB, and print what it took."""
    name, folder = sys.argv[1:]
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{os.environ['HUBSPOT_URL']}/crm/objects/2026-03/",
                "auth": {"type": "bearer", "token": os.environ["HUBSPOT_TOKEN"]},
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "paging.next.after",
                    "cursor_param": "after",
                },
            },
            "resources": [
                {
                    "name": "deals",
                    "endpoint": {
                        "path": "deals",
                        "params": {"limit": 100, "properties": PROPERTIES},
                        "data_selector": "results",
                    },
                }
            ],
        }
    )
    destination = dlt.destinations.duckdb(str(Path(folder) / "deals.duckdb"))
    pipeline = dlt.pipeline("deals", destination=destination, pipelines_dir=folder)
    began = time.perf_counter()
    if name == "dlt-extract":
        pipeline.extract(source)
    else:
        pipeline.run(source)
    seconds = time.perf_counter() - began
    loads = pipeline.last_trace.steps[0].step_info.metrics.values()
    tables = [part["table_metrics"] for load in loads for part in load]
    records = sum(table["deals"].items_count for table in tables if "deals" in table)
    print(json.dumps({"records": records, "seconds": seconds}))


if __name__ == "__main__":
    main()
