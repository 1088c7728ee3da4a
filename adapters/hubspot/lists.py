"""Owners and the stages of pipelines: short lists that are read whole each time.

Nobody can ask HubSpot what changed of them, so no read of theirs ends with a watermark, and each
one's count is a total. Owners who left come too, as archived ones: records still name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.hubspot import DEALS, OWNERS, PIPELINES
from adapters.hubspot.api import CrmObject, HubSpotApi
from shared.domain.changes import Change, Delete, Page, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.fields import Field, FieldType
from shared.errors import PermanentError
from shared.http.paginators import AfterPaginator


def _field(name: str, label: str, type_: FieldType = FieldType.STRING) -> Field:
    return Field(name=name, label=label, type=type_, read_only=True, unique=name == "id")


FIELDS: Mapping[str, tuple[Field, ...]] = {
    OWNERS: (
        _field("id", "Id"),
        _field("name", "Name"),
        _field("firstName", "First name"),
        _field("lastName", "Last name"),
        _field("email", "Email"),
        _field("userId", "User id"),
        _field("type", "Type"),
        _field("teams", "Teams"),
        _field("archived", "Archived", FieldType.BOOLEAN),
        _field("createdAt", "Created at", FieldType.DATETIME),
        _field("updatedAt", "Updated at", FieldType.DATETIME),
    ),
    PIPELINES: (
        _field("id", "Stage id"),
        _field("label", "Stage"),
        _field("pipeline", "Pipeline id"),
        _field("pipelineLabel", "Pipeline"),
        _field("displayOrder", "Order in the pipeline", FieldType.INTEGER),
        _field("probability", "Probability", FieldType.DECIMAL),
        _field("isClosed", "Closed", FieldType.BOOLEAN),
        _field("createdAt", "Created at", FieldType.DATETIME),
        _field("updatedAt", "Updated at", FieldType.DATETIME),
    ),
}


class ListReader:
    """Reads one of the short lists; `wanted` None gives all fields."""

    def __init__(self, api: HubSpotApi, stream: str, wanted: Sequence[str] | None) -> None:
        known = [field.name for field in FIELDS[stream]]
        strange = sorted(set(wanted or ()) - set(known))
        if strange:
            raise PermanentError(
                f"HubSpot's {stream} have no field named {', '.join(strange)}. "
                "Remove it from the mapping."
            )
        self._api = api
        self._stream = stream
        self._wanted = tuple(known if wanted is None else wanted)

    def read(self, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the pages after the checkpoint, the last one with the count of all records."""
        if self._stream == PIPELINES:
            changes = self._stages()
            yield Page(changes=changes, checkpoint=Checkpoint(), totals={PIPELINES: len(changes)})
            return
        after, archived, count = _place(checkpoint)
        pages = AfterPaginator(token=after)
        while True:
            batch = self._api.owners(after=pages.token, archived=archived)
            changes = [self._upsert(str(o["id"]), _owner(o)) for o in batch.objects if "id" in o]
            count += len(changes)
            if pages.follow(batch.after) is None:
                if archived:
                    break
                pages, archived = AfterPaginator(), True
            resume = {"after": pages.token, "archived": archived, "count": count}
            yield Page(changes=changes, checkpoint=Checkpoint(resume=resume))
        yield Page(changes=changes, checkpoint=Checkpoint(), totals={OWNERS: count})

    def get(self, keys: Sequence[str]) -> Sequence[Change]:
        """Return what there is under these keys now, in that order."""
        found = {
            change.key: change
            for page in self.read(None)
            for change in page.changes
            if isinstance(change, Upsert)
        }
        return [found.get(key) or Delete(self._stream, key) for key in keys]

    def _stages(self) -> list[Upsert]:
        """Return the stages of all pipelines of deals; a stage's id is unique in its pipeline."""
        return [
            self._upsert(f"{pipeline['id']}/{stage['id']}", _stage(pipeline, stage))
            for pipeline in self._api.pipelines(DEALS)
            for stage in pipeline.get("stages") or ()
        ]

    def _upsert(self, key: str, values: Mapping[str, Any]) -> Upsert:
        return Upsert(self._stream, key, {name: values[name] for name in self._wanted})


def _place(checkpoint: Checkpoint | None) -> tuple[str | None, bool, int]:
    resume = None if checkpoint is None else checkpoint.resume
    if resume is None:
        return None, False, 0
    try:
        after = resume["after"]
        return None if after is None else str(after), bool(resume["archived"]), resume["count"] + 0
    except (KeyError, TypeError):
        raise PermanentError(
            "The checkpoint of HubSpot's owners cannot be read. Start a full sync."
        ) from None


def _owner(data: CrmObject) -> dict[str, Any]:
    names = (str(data.get(part) or "").strip() for part in ("firstName", "lastName"))
    teams = (team.get("name") for team in data.get("teams") or () if isinstance(team, Mapping))
    user = data.get("userId") or data.get("userIdIncludingInactive")
    return {
        **{name: data.get(name) or None for name in ("firstName", "lastName", "email", "type")},
        "id": str(data["id"]),
        "name": " ".join(filter(None, names)) or data.get("email") or None,
        "userId": None if user is None else str(user),
        "teams": ";".join(str(name) for name in teams if name) or None,
        "archived": bool(data.get("archived")),
        "createdAt": data.get("createdAt"),
        "updatedAt": data.get("updatedAt"),
    }


def _stage(pipeline: CrmObject, stage: CrmObject) -> dict[str, Any]:
    metadata = stage.get("metadata") or {}
    closed = metadata.get("isClosed")
    return {
        "id": str(stage["id"]),
        "label": stage.get("label"),
        "pipeline": str(pipeline["id"]),
        "pipelineLabel": pipeline.get("label"),
        "displayOrder": stage.get("displayOrder"),
        "probability": metadata.get("probability"),
        "isClosed": None if closed is None else str(closed).lower() == "true",
        "createdAt": stage.get("createdAt"),
        "updatedAt": stage.get("updatedAt"),
    }
