"""Planner's contents, the same at every start: two tenants, their groups, plans and tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from local.sandbox.entra.tenants import ALDER, BIRCH, USERS
from local.sandbox.graph.book import ALPHABET, ID_LENGTH, Book
from local.sandbox.graph.items import Group, identity, new_details, new_task, to_text

SEED = 20_261_121
END = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)

_GROUPS = {
    ALDER: ("Commerciale", "Einkauf", "Field Service", "Marketing", "Quality", "Werk Łódź"),
    BIRCH: ("Depot North", "Fleet"),
}
_OUTSIDERS_GROUP = "Quality"
"""Nobody who can sign in is a member of it."""
_TOPICS = (
    *("Website relaunch", "Audit 2026", "Trade fair", "Spring campaign", "Onboarding"),
    *("Supplier change", "Réduction des coûts", "Neue Halle", "Ricambi", "Safety week"),
)
_BUCKETS = ("To do", "Doing", "Waiting for others", "Done")
_VERBS = ("Prepare", "Review", "Call", "Order", "Fix", "Plan", "Prüfen:", "Vérifier", "Spedire")
_THINGS = (
    *("the offer", "catalogue pages", "spare parts", "test report", "stand design"),
    *("contract with Łąka", "l'inventaire", "budget", "Übergabe", "training slides"),
)
_NOTES = (
    "Ask again on Monday.\nThe numbers are in the shared folder.",
    "Agreed with the customer by phone.",
    "Grüße aus dem Werk, bitte vor Freitag. ✓",
)
_STEPS = ("Collect figures", "Ask for approval", "Send", "File it")
_PEOPLE_IN_TENANT = 12


def fill(book: Book, *, tasks: int) -> None:
    """Fill the book with `tasks` tasks in all."""
    rng = Random(SEED)
    plans: list[tuple[str, str]] = []
    people: dict[str, list[str]] = {}
    for tenant, names in _GROUPS.items():
        own = [user.id for user in USERS if user.tenant == tenant]
        people[tenant] = [*own, *(str(_uuid(rng)) for _ in range(_PEOPLE_IN_TENANT))]
        for name in names:
            members = set(people[tenant]) - (set(own) if name == _OUTSIDERS_GROUP else set())
            group = Group(id=str(_uuid(rng)), name=name, members=members)
            book.groups[group.id] = group
            for topic in rng.sample(_TOPICS, 2):
                data = _plan(rng, f"{topic} ({name})", group.id, "group", people[tenant])
                plans.append((tenant, book.add_plan(data).id))
        everybody = Group(
            id=str(_uuid(rng)), name="Everybody", members=set(people[tenant]), is_unified=False
        )
        book.groups[everybody.id] = everybody
        data = _plan(rng, "Ideas", str(_uuid(rng)), "roster", people[tenant])
        plans.append((tenant, book.add_plan(data, members=set(own)).id))
        data = _plan(rng, "Empty", str(_uuid(rng)), "roster", people[tenant])
        book.add_plan(data, members=set(own))
    buckets = {plan: _add_buckets(rng, book, plan) for _, plan in plans}
    for _ in range(tasks):
        tenant, plan = plans[min(int(rng.expovariate(0.2)), len(plans) - 1)]
        _add_task(rng, book, plan, buckets[plan], people[tenant])


def _uuid(rng: Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)


def _id(rng: Random) -> str:
    return "".join(rng.choices(ALPHABET, k=ID_LENGTH))


def _past(rng: Random, days: int) -> datetime:
    return END - timedelta(minutes=rng.randrange(days * 24 * 60))


def _plan(rng: Random, title: str, container: str, type_: str, people: list[str]) -> dict[str, Any]:
    path = "groups" if type_ == "group" else "planner/rosters"
    return {
        "id": _id(rng),
        "title": title,
        "owner": container,
        "createdDateTime": to_text(_past(rng, 700)),
        "createdBy": identity(rng.choice(people)),
        "container": {
            "containerId": container,
            "type": type_,
            "url": f"https://graph.microsoft.com/v1.0/{path}/{container}",
        },
    }


def _add_buckets(rng: Random, book: Book, plan: str) -> list[str]:
    return [
        book.add_bucket(
            {"id": _id(rng), "name": name, "planId": plan, "orderHint": f"85{number:02}!"}
        ).id
        for number, name in enumerate(_BUCKETS)
    ]


def _add_task(rng: Random, book: Book, plan: str, buckets: list[str], people: list[str]) -> None:
    """Add a task; the last id differs from another one by the case of a letter only."""
    created = _past(rng, 400)
    id_ = _id(rng)
    if len(book.tasks) == 1:
        id_ = next(iter(book.tasks)).swapcase()
    title = f"{rng.choice(_VERBS)} {rng.choice(_THINGS)} {rng.randrange(1, 400)}"
    data = new_task(
        id_=id_,
        plan=plan,
        title=title,
        created=to_text(created),
        creator=identity(rng.choice(people)),
    )
    number = rng.randrange(4)
    percent = (0, 50, rng.choice((50, 25, 80)), 100)[number]
    data |= {
        "bucketId": buckets[number],
        "percentComplete": percent,
        "orderHint": f"{created:%Y%m%d%H%M}P",
    }
    data["priority"] = rng.choice((1, 3, 5, 5, 5, 9))
    if percent == 100:  # noqa: PLR2004  all of it
        done = min(created + timedelta(days=rng.randrange(1, 60)), END)
        data["completedDateTime"], data["completedBy"] = to_text(done), identity(people[0])
    if rng.random() < 0.7:  # noqa: PLR2004  seven in ten have dates
        start = created.replace(hour=10, minute=0)
        data["startDateTime"] = to_text(start)
        data["dueDateTime"] = to_text(start + timedelta(days=rng.randrange(0, 90)))
    for user in rng.sample(people, rng.choice((0, 1, 1, 2))):
        data["assignments"][user] = {
            "@odata.type": "#microsoft.graph.plannerAssignment",
            "assignedDateTime": to_text(created),
            "orderHint": "8585!",
            "assignedBy": identity(people[0]),
        }
    if rng.random() < 0.3:  # noqa: PLR2004  three in ten carry a label
        data["appliedCategories"] = {f"category{rng.randrange(1, 7)}": True}
    book.add_task(data, _details(rng, id_, to_text(created), people[0]))


def _details(rng: Random, id_: str, at: str, user: str) -> dict[str, Any]:
    details = new_details(id_)
    by = {"lastModifiedDateTime": at, "lastModifiedBy": identity(user)}
    if rng.random() < 0.4:  # noqa: PLR2004  four in ten have notes
        details["description"] = rng.choice(_NOTES)
    if rng.random() < 0.2:  # noqa: PLR2004  one in five has a checklist
        for number, title in enumerate(_STEPS[: rng.randrange(1, 5)]):
            details["checklist"][str(_uuid(rng))] = {
                "@odata.type": "#microsoft.graph.plannerChecklistItem",
                "isChecked": rng.random() < 0.5,  # noqa: PLR2004  a coin
                "title": title,
                "orderHint": f"85{number:02}!",
                **by,
            }
    if rng.random() < 0.1:  # noqa: PLR2004  one in ten has an attachment
        address = f"https%3A//files%2Eexample/{rng.randrange(1000)}"
        details["references"][address] = {
            "@odata.type": "#microsoft.graph.plannerExternalReference",
            "alias": "Sheet",
            "type": "Excel",
            **by,
        }
    return details
