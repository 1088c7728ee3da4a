"""Every check of the contract suite, in order: plain functions over a `Bench`.

A check returns where its provider keeps the promise and raises anything where it does not. The
suite runs each on each provider; `test_checks_can_fail.py` runs each on adapters that break one
promise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.contract import declared, faulty, reading, writing
from tests.contract.bench import Bench, ProviderCase

Function = Callable[[Bench], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A promise and how it is checked. `absent(case)` is why it has no meaning for a case, ''
    where it has one.
    """

    run: Function
    absent: Callable[[ProviderCase], str] = lambda _case: ""
    needs_documents: bool = False

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.run.__name__.replace("_", " ")


def _where_exported(case: ProviderCase) -> str:
    if case.is_only_read:
        return "never written"
    return "" if case.exports else "import only"


def _where_imported_only(case: ProviderCase) -> str:
    return "exports" if case.exports else ""


def _where_documented(case: ProviderCase) -> str:
    return "" if case.document else "no document"


def _all(*functions: Function) -> Sequence[Check]:
    return [Check(run=function) for function in functions]


CHECKS: Sequence[Check] = (
    *_all(
        declared.the_catalogue_entry_is_complete,
        declared.the_way_in_is_declared,
        declared.options_have_names_and_labels,
        declared.platform_options_keep_to_the_rule,
        declared.default_mappings_fit_linkhub,
        declared.the_catalogue_needs_no_http,
        reading.right_credentials_are_accepted,
        reading.wrong_credentials_are_refused,
        reading.private_hosts_are_closed_unless_allowed,
        reading.discovered_names_are_unique,
        reading.default_mappings_fit_what_is_discovered,
        reading.keys_are_present_and_unique,
        reading.only_the_last_page_ends_a_read,
        reading.totals_count_what_was_read,
        reading.a_checkpoint_survives_json,
        reading.any_page_leads_to_exactly_the_rest,
        reading.an_incremental_read_starts_at_the_watermark,
        reading.an_unknown_scope_is_refused,
        reading.get_tells_which_records_exist,
    ),
    Check(run=writing.pushing_is_refused, absent=_where_imported_only),
    Check(run=writing.records_are_made_changed_and_deleted, absent=_where_exported),
    Check(run=writing.pushing_again_changes_nothing, absent=_where_exported),
    Check(run=writing.a_power_cut_makes_nothing_twice, absent=_where_exported),
    Check(run=writing.what_is_not_there_is_a_record_problem, absent=_where_exported),
    *_all(
        faulty.a_refused_credential_is_an_auth_error,
        faulty.too_many_requests_tell_when_to_come_back,
        faulty.an_outage_tells_when_to_come_back,
        faulty.a_server_error_is_transient,
        faulty.a_wish_to_wait_is_kept,
        faulty.passing_faults_change_nothing,
        faulty.own_faults_end_as_documented,
        faulty.every_fault_has_a_case,
        faulty.somebody_who_looks_waits_five_seconds_at_most,
        faulty.a_job_tries_for_half_a_minute,
        faulty.no_secret_reaches_a_log_or_a_message,
    ),
    Check(
        run=reading.what_travels_fits_the_vendors_document,
        absent=_where_documented,
        needs_documents=True,
    ),
)
