"""The kinds of record that HubSpot keeps in one way, and how they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.hubspot import COMPANIES, CONTACTS, DEALS, MODIFIED

ID = "hs_object_id"
LINKHUB_ID = "linkhub_id"
"""The property, unique in an account, by which a record made for LinkHub is found again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectType:
    """One kind of CRM record.

    `linked` are the kinds whose associations can be fields, `staged` the properties whose values
    are ids of the account's pipelines and stages. `group` is where a new property is filed.
    """

    name: str
    label: str
    singular: str
    group: str
    linked: tuple[str, ...]
    staged: tuple[str, ...] = ()

    @property
    def modified(self) -> str:
        """The property that holds its time of change."""
        return MODIFIED[self.name]


OBJECTS: Mapping[str, ObjectType] = {
    each.name: each
    for each in (
        ObjectType(
            name=DEALS,
            label="Deals",
            singular="deal",
            group="dealinformation",
            linked=(COMPANIES, CONTACTS),
            staged=("pipeline", "dealstage"),
        ),
        ObjectType(
            name=COMPANIES,
            label="Companies",
            singular="company",
            group="companyinformation",
            linked=(CONTACTS, DEALS),
        ),
        ObjectType(
            name=CONTACTS,
            label="Contacts",
            singular="contact",
            group="contactinformation",
            linked=(COMPANIES, DEALS),
        ),
    )
}
