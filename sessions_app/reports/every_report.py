"""All reports, in the order of the page /reports/."""

from __future__ import annotations

from sessions_app.reports.account_reports import Accounts, Leavers
from sessions_app.reports.approval_report import Approvals
from sessions_app.reports.log_reports import Changes, FailedLogins
from sessions_app.reports.report import Report
from sessions_app.reports.rights_reports import Rights, UnusedRights
from sessions_app.reports.session_reports import PrivilegedSessions, SessionsWithoutTicket

REPORTS: dict[str, Report] = {
    report.slug: report
    for report in (
        PrivilegedSessions(),
        Approvals(),
        Rights(),
        UnusedRights(),
        Accounts(),
        Leavers(),
        Changes(),
        FailedLogins(),
        SessionsWithoutTicket(),
    )
}
