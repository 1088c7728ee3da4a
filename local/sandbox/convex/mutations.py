"""What can be done to the emulated deployment's documents, asked for or at random."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from local.sandbox.convex.archive import encode_value
from local.sandbox.convex.sample import FIRST_CREATION_TIME
from local.sandbox.convex.store import Store, Tablet

Kind = Literal["insert", "patch", "replace", "delete", "clear", "import", "create", "drop"]


class Operation(BaseModel):
    """One change of one table; values are written as exports write them.

    `clear` deletes every document, `import` replaces the whole table by `documents` as
    `npx convex import --replace` does. `unset` names fields a `patch` takes away.
    """

    model_config = ConfigDict(extra="forbid")

    op: Kind
    component: str = ""
    table: str
    id: str = ""
    document: dict[str, Any] = Field(default_factory=dict)
    documents: list[dict[str, Any]] = Field(default_factory=list)
    unset: list[str] = Field(default_factory=list)


class Random(BaseModel):
    """So many random operations of a seed, each a commit of its own."""

    model_config = ConfigDict(extra="forbid")

    seed: int
    count: int = Field(ge=1, le=100_000)


class Mutation(BaseModel):
    """What to do: `operations` together in one commit, or `random` ones."""

    model_config = ConfigDict(extra="forbid")

    operations: list[Operation] = Field(default_factory=list)
    random: Random | None = None


def mutate(store: Store, mutation: Mutation) -> dict[str, Any]:
    """Do it; return the last commit's timestamp and how often each operation was done.

    Raise LookupError for a table or document that is not there.
    """
    with store.lock:
        done = list(mutation.operations)
        if done:
            apply(store, done)
        if mutation.random is not None:
            rng = random.Random(f"mutations-{mutation.random.seed}")
            for _ in range(mutation.random.count):
                operation = random_operation(store, rng)
                apply(store, [operation])
                done.append(operation)
        counts: dict[str, int] = {}
        for operation in done:
            counts[operation.op] = counts.get(operation.op, 0) + 1
        return {"ts": store.now, "operations": counts}


def apply(store: Store, operations: list[Operation]) -> int:
    """Do the operations in one commit; return its timestamp."""
    writes: dict[tuple[int, str], dict[str, Any] | None] = {}
    for operation in operations:
        _ACTS[operation.op](store, operation, writes)
    return store.commit((tablet, key, value) for (tablet, key), value in writes.items())


_Writes = dict[tuple[int, str], dict[str, Any] | None]


def _table(store: Store, operation: Operation) -> Tablet:
    found = store.find(operation.component, operation.table)
    if found is None:
        raise LookupError(f"There is no table {operation.table!r} in {operation.component!r}.")
    return found


def _before(store: Store, operation: Operation, writes: _Writes) -> tuple[Tablet, dict[str, Any]]:
    table = _table(store, operation)
    place = (table.id, operation.id)
    document = writes[place] if place in writes else store.get(*place)
    if document is None:
        raise LookupError(f"Table {operation.table!r} has no document {operation.id!r}.")
    return table, document


def _complete(store: Store, table: Tablet, document: dict[str, Any]) -> dict[str, Any]:
    key = document.get("_id") or store.new_id(table.stream)
    created = document.get("_creationTime") or FIRST_CREATION_TIME + store.now % 10**12 / 1e3
    return {**document, "_id": key, "_creationTime": created}


def _insert(store: Store, operation: Operation, writes: _Writes) -> None:
    table = store.find(operation.component, operation.table)
    if table is None:
        table = store.create(operation.component, operation.table)
    document = _complete(store, table, operation.document)
    writes[table.id, document["_id"]] = document


def _patch(store: Store, operation: Operation, writes: _Writes) -> None:
    table, document = _before(store, operation, writes)
    kept = {name: value for name, value in document.items() if name not in operation.unset}
    writes[table.id, operation.id] = kept | operation.document


def _replace(store: Store, operation: Operation, writes: _Writes) -> None:
    table, document = _before(store, operation, writes)
    system = {name: document[name] for name in ("_id", "_creationTime")}
    writes[table.id, operation.id] = operation.document | system


def _delete(store: Store, operation: Operation, writes: _Writes) -> None:
    table, _ = _before(store, operation, writes)
    writes[table.id, operation.id] = None


def _clear(store: Store, operation: Operation, writes: _Writes) -> None:
    table = _table(store, operation)
    keys = [key for tablet, key in writes if tablet == table.id]
    keys += [row.id for row in store.walk(table.id, after="", at=store.now, limit=-1)]
    writes.update({(table.id, key): None for key in keys})


def _import(store: Store, operation: Operation, writes: _Writes) -> None:
    table = store.create(operation.component, operation.table)
    for document in operation.documents:
        complete = _complete(store, table, document)
        writes[table.id, complete["_id"]] = complete


def _create(store: Store, operation: Operation, _: _Writes) -> None:
    if store.find(operation.component, operation.table) is None:
        store.create(operation.component, operation.table)


def _drop(store: Store, operation: Operation, _: _Writes) -> None:
    table = _table(store, operation)
    store.drop(table.component, table.name)


_ACTS: dict[Kind, Callable[[Store, Operation, _Writes], None]] = {
    "insert": _insert,
    "patch": _patch,
    "replace": _replace,
    "delete": _delete,
    "clear": _clear,
    "import": _import,
    "create": _create,
    "drop": _drop,
}

_ODDS: dict[Kind, int] = {
    "insert": 40,
    "patch": 25,
    "replace": 10,
    "delete": 20,
    "clear": 1,
    "import": 2,
    "create": 1,
}
_FIELDS = (
    "n",
    "name",
    "Name",
    "price",
    "when",
    "select",
    "a b ",
    "it's ]",
    "x" * 64,
    "flag",
    "meta",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**53 + 1,
    0.5,
    123.0,
    -0.0,
    1e308,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "plain",
    'it\'s "quoted" \\ \t\r\n',
    "Zürich 東京 😀",
    "nul \0 inside",
    "$float",
    "y" * 5_000,
    b"",
    b"\x00\xff bytes",
    [],
    [1, 1.0, "1", [None]],
    {},
    {"deep": {"er": [math.nan, b"\x01", 2**62]}, 'key "]': -0.0},
)


def random_operation(store: Store, rng: random.Random) -> Operation:
    """Return something that can be done now: fields come, go and change their types at random."""
    tables = [table for table in store.tablets() if not table.name.startswith("_")]
    if not tables:
        return Operation(op="create", table="made")
    table = rng.choice(tables)
    (kind,) = rng.choices(list(_ODDS), list(_ODDS.values()))
    operation = Operation(op=kind, component=table.component, table=table.name)
    if kind == "create":
        return Operation(op="create", table=f"made{rng.randrange(4)}")
    if kind == "import":
        operation.documents = [_random_fields(rng) for _ in range(rng.randrange(40))]
    elif kind != "clear":
        operation.document = _random_fields(rng)
        operation.id = _random_id(store, table, rng)
        operation.unset = [rng.choice(_FIELDS)]
        if kind == "insert" or not operation.id:
            operation.op, operation.id = "insert", ""
    return operation


def _random_id(store: Store, table: Tablet, rng: random.Random) -> str:
    """Return a document's id, '' where the table is empty."""
    start = "".join(rng.choices("0123456789abcdefghjkmnpqrstvwxyz", k=4))
    for after in (start, ""):
        found = store.walk(table.id, after=after, at=store.now, limit=1)
        if found:
            return found[0].id
    return ""


def _random_fields(rng: random.Random) -> dict[str, Any]:
    names = rng.sample(_FIELDS, rng.randrange(1, 5))
    fields = {name: encode_value(rng.choice(_VALUES)) for name in names}
    if rng.random() < 0.02:  # noqa: PLR2004 - now and then a field nobody has seen
        fields[f"new{rng.randrange(50)}"] = encode_value(rng.choice(_VALUES))
    return fields
