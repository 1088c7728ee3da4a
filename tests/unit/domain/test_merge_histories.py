"""Random histories of edits on both sides: they converge, and no edit is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.linkhub import ENTITIES
from shared.domain.merge import Side, Sides, Terms, agreed_after_export, merge
from shared.domain.policies import ConflictPolicy

NAMES = ("name", "owner", "budget")
FIELDS = [each for each in ENTITIES["initiatives"].fields if each.name in NAMES]
START = datetime(2026, 1, 1, tzinfo=UTC)

Edit = tuple[Side, str, str]
edits = st.tuples(st.sampled_from(Side), st.sampled_from(NAMES), st.sampled_from("123"))
rounds = st.lists(st.lists(edits, max_size=4), max_size=6)


@dataclass
class Pair:
    """A record at both sides, and how they are kept in step."""

    policy: ConflictPolicy
    sides: dict[Side, dict[str, str | None]] = field(
        default_factory=lambda: {side: dict.fromkeys(NAMES) for side in Side}
    )
    bases: dict[Side, dict[str, str | None]] = field(
        default_factory=lambda: {side: dict.fromkeys(NAMES) for side in Side}
    )
    changed_at: dict[Side, datetime | None] = field(
        default_factory=lambda: dict.fromkeys(Side, None)
    )
    clock: int = 0

    def edit(self, side: Side, name: str, value: str) -> None:
        self.clock += 1
        self.sides[side][name] = value
        self.changed_at[side] = START + timedelta(seconds=self.clock)

    def sync(self, *, crash_after_writes: bool = False) -> int:
        """Import, then export; return how many values were written."""
        written = 0
        for is_export in (False, True):
            merged = merge(
                Sides(
                    external=self.sides[Side.EXTERNAL],
                    linkhub=self.sides[Side.LINKHUB],
                    base=self.bases[Side.LINKHUB],
                    external_base=self.bases[Side.EXTERNAL],
                    external_changed_at=self.changed_at[Side.EXTERNAL],
                    linkhub_changed_at=self.changed_at[Side.LINKHUB],
                ),
                Terms(fields=FIELDS, exportable=frozenset(NAMES), policy=self.policy),
            )
            self.sides[Side.LINKHUB].update(merged.to_linkhub)
            written += len(merged.to_linkhub)
            base, external_base = dict(merged.base), dict(merged.external_base)
            if is_export:
                self.sides[Side.EXTERNAL].update(merged.to_external)
                written += len(merged.to_external)
                base, external_base = agreed_after_export(
                    merged, written=merged.to_external, seen_as=merged.to_external
                )
            if not crash_after_writes:
                self.bases = {Side.LINKHUB: base, Side.EXTERNAL: external_base}
        return written

    def apart(self) -> set[str]:
        ours, theirs = self.sides[Side.LINKHUB], self.sides[Side.EXTERNAL]
        return {name for name in NAMES if ours[name] != theirs[name]}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ConflictPolicy), rounds, st.data())
def test_both_sides_converge_and_no_edit_is_lost(
    policy: ConflictPolicy, history: list[list[Edit]], data: st.DataObject
) -> None:
    """After each sync both sides are equal but for fields in conflict, and a field one side alone
    edited has that side's last value; the next sync writes nothing. A crash changes none of it.
    """
    pair = Pair(policy)
    blocked: set[str] = set()
    for edits_of_round in history:
        before = {side: dict(values) for side, values in pair.sides.items()}
        for edit in edits_of_round:
            pair.edit(*edit)
        changed = {
            side: {name for name in NAMES if pair.sides[side][name] != before[side][name]}
            for side in Side
        }
        wanted = {
            name: pair.sides[side][name]
            for side in Side
            for name in changed[side]
            if not any(name in changed[other] for other in Side if other is not side)
            and name not in blocked
        }
        if data.draw(st.booleans(), label="crash"):
            pair.sync(crash_after_writes=True)
        pair.sync()
        blocked = pair.apart()
        assert not blocked or policy is ConflictPolicy.ASK
        for name, value in wanted.items():
            assert pair.sides[Side.LINKHUB][name] == pair.sides[Side.EXTERNAL][name] == value
        for name in blocked:  # a person is asked: neither value is gone
            assert pair.sides[Side.LINKHUB][name] != pair.sides[Side.EXTERNAL][name]
        assert pair.sync() == 0
