"""Writes the results as tables, which can be copied into docs/performance.md."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]


def table(results: dict[str, Result]) -> str:
    """Return the tables in Markdown, with one section for each database."""
    return "\n".join(line for kind, result in results.items() for line in _part(kind, result))


def _part(kind: str, result: Result) -> list[str]:
    where = result["versions"]
    lines = [f"### {where['database']}, Python {where['python']}, Django {where['django']}", ""]
    if where["missing_peers"]:
        lines += [f"Not installed, so not measured: {', '.join(where['missing_peers'])}.", ""]
    lines += [
        "| question | who | median, ms | min | p95 | CPU | to ours | KB |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one['question']} | {one['who']} | {one['median']:,.1f} | {one['minimum']:,.1f} | {one['p95']:,.1f} "
        f"| {one['cpu']:,.1f} | {one['ratio']:,.2f} | {one['size'] / 1000:.0f} |"
        for one in result["pages"]
    ]
    lines += ["", "| CSV | rows | rows/s | first byte, ms | grows, MB |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {one['who']} | {one['rows']:,} | {one['rows_a_second']:,} | {one['first_byte_ms']} "
        f"| {one.get('grows_mb', '')} |"
        for one in result["csv"]
    ]
    lines += ["", "| page | HTML, gzip, KB | first visit, gzip, KB |", "|---|---:|---:|"]
    lines += [
        f"| {url} | {one['html_gzip'] / 1000:.1f} | {one['first_visit_gzip'] / 1000:.1f} |"
        for url, one in result["weights"].items()
    ]
    lines += [
        "",
        f"record() from {result['record']['processes']} processes: {result['record']['entries_a_second']:,} entries/s.",
    ]
    sealed = result["sealing"]
    lines += [f"Sealing of 10,000 entries: {sealed['seconds_for_10000']} s."]
    if "lost_percent" in sealed:
        lines += [
            f"record() while a worker seals: {sealed['record_with']:,} entries/s, "
            f"without it {sealed['record_without']:,}: {sealed['lost_percent']} % less."
        ]
    if served := result["serving"]:
        lines += [
            f"wrk on the log page, 2 workers, 16 connections: {served['requests_a_second']:.0f} requests/s, "
            f"p50 {served['p50_ms']:.0f} ms, p99 {served['p99_ms']:.0f} ms."
        ]
    return [*lines, f"{result['bytes'] / 1e6:,.0f} MB of database; {result['minutes']} minutes.", ""]
