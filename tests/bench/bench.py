#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What checking a key costs, beside no authentication and beside httpd's own providers, in one run.

BENCH=full adds what takes tables of millions of keys. Prints a table, writes build/bench.json, and ends with exit
status 1 if anything that was measured is not as it must be. With KEEP_SCRATCH=1 what callgrind counted stays in the
scratch folder, NN-httpd/vg, for callgrind_annotate.
"""

import json
import os
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bounds
from harness import ROOT, keyfmt
from harness.mariadb import MariaDB
from harness.scratch import Scratch
from instruments import CONNECTIONS, GUESTS, LOCKS, instructions, load
from sites import HASHED, PATIENT, THREADS, USER, CallgrindSite, Rows, Site

FULL = os.environ.get("BENCH") == "full"
COUNTS = (200, 1700) if FULL else (100, 600)
ROUNDS, SECONDS = (9, 3) if FULL else (5, 1)
BIG_SERVER = ["--innodb-buffer-pool-size=4G", "--innodb-log-file-size=1G"]


class Lab:
    """The database, a valid key in it, and servers for the experiments."""

    def __init__(self, scratch, sql):
        self.scratch, self.sql = scratch, sql
        self.db = sql.create_database()
        self.db.sql(f"CREATE TABLE people (name VARCHAR(64) PRIMARY KEY, password VARCHAR(64));"
                    f"INSERT INTO people VALUES ('{USER}', '{HASHED}')")  # fmt: skip
        self.key = self.new_key()[1]
        self.rows = Rows(self.key)

    def new_key(self):
        """(number, key)"""
        return keyfmt.insert_key(self.db, "user", USER, scopes="orders:read orders:write", expires_at=30 * 86400)

    def site(self, rows, config="", kind=Site, **options):
        return kind(self.scratch.folder("httpd"), rows, config, **({"dbd": self.db.dbd_params()} | options))

    def sites(self, config="", kind=Site, **options):
        """The servers of the comparison: without this module, with it, with it but without its cache."""
        return [
            self.site(self.rows.plain_site, apikey=False, kind=kind, **options),
            self.site(self.rows.warm_site, PATIENT + config, kind=kind, **options),
            self.site(self.rows.cold_site, PATIENT + "ApiKeyCache Off", kind=kind, **options),
        ]


class Spread:
    """A median and what it is the median of."""

    def __init__(self, values):
        self.median, self.low, self.high = statistics.median(values), min(values), max(values)

    def __str__(self):
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


def say(text):
    print(f"  {text} …", file=sys.stderr, flush=True)


def count_instructions(lab):
    """A slope for each row. The change feed is read now and then, not so often for each request as the clock has it
    when these are slow."""
    slopes = {}
    for site in lab.sites("ApiKeyRefresh 10s\n", CallgrindSite, threads=THREADS):
        with site:
            for row in site.ports:
                slopes[row] = instructions(site, row, COUNTS)
    return slopes


def put_under_load(lab):
    """For each row, (CPU time, throughput) in every round as multiples of no authentication in that round."""
    none = lab.rows.none
    multiples = {row: [] for row in lab.rows.all if row is not lab.rows.unprotected}
    with ExitStack() as stack:
        site_of = {row: site for site in lab.sites(children=2) for row in stack.enter_context(site).ports}
        for row in multiples:
            load(site_of[row], row, 1)
        for _ in range(ROUNDS):
            seen = {row: load(site_of[row], row, SECONDS) for row in multiples}
            for row, one in seen.items():
                multiples[row].append((one.cpu / seen[none].cpu, one.rate / seen[none].rate))
    return {row: tuple(map(Spread, zip(*values))) for row, values in multiples.items()}


class Report:
    """The tables, and what they come to."""

    def __init__(self, lab, slopes, loads):
        self.rows, self.slopes, self.loads = lab.rows, slopes, loads
        self.none = slopes[lab.rows.none].instructions
        self.bounds = []

    def added(self, row):
        return self.slopes[row].instructions - self.none

    def bound(self, what, limit, measured, holds):
        self.bounds.append((what, limit, measured, holds))

    def not_judged(self, what, limit, why):
        self.bound(what, limit, why, None)

    def judge(self):
        """The bounds that the two instruments decide."""
        rows = self.rows
        cpu, rate = ({row: spreads[i] for row, spreads in self.loads.items()} for i in (0, 1))
        warm, noise_cpu, noise_rate = self.slopes[rows.warm], cpu[rows.again], rate[rows.again]

        ratio = self.added(rows.warm) / self.added(rows.socache)
        self.bound("warm: instructions added, of mod_authn_socache's", "<= 0.75", f"{ratio:.2f}", ratio <= 0.75)
        self.bound("warm: CPU time, within the noise of no authentication", f"noise {noise_cpu}",
                   str(cpu[rows.warm]), cpu[rows.warm].low <= noise_cpu.high)  # fmt: skip
        self.bound("warm: throughput, within the noise of no authentication", f"noise {noise_rate}",
                   str(rate[rows.warm]), rate[rows.warm].high >= noise_rate.low)  # fmt: skip
        locks = warm.called(LOCKS, GUESTS)
        self.bound("warm: locks taken by anything but httpd itself", "0", f"{locks:.2f}", locks < 0.1)

        ratio = self.slopes[rows.cold].instructions / self.slopes[rows.dbd].instructions
        self.bound("cold: instructions, of mod_authn_dbd's", "<= 1.2", f"{ratio:.2f}", ratio <= 1.2)
        ratio = self.added(rows.cold) / self.added(rows.dbd)
        self.not_judged("cold: those over no authentication, of mod_authn_dbd's", "for comparison", f"{ratio:.2f}")
        ratio = cpu[rows.cold].median / cpu[rows.dbd].median
        self.bound("cold: CPU time, of mod_authn_dbd's", "<= 1, but for noise", f"{ratio:.2f}",
                   ratio <= max(1, noise_cpu.high))  # fmt: skip

        dearer = self.slopes[rows.junk].instructions - self.slopes[rows.missing].instructions
        self.bound("junk: instructions over a 401 for no credential", "<= 3,000", f"{dearer:,.0f}", dearer <= 3000)
        puts = self.slopes[rows.junk].long.called("^apikey_facts_put$")
        self.bound("junk: cache entries made", "0", str(puts), puts == 0)

    def experiment(self, what, limit, run, holds, show="{:,}"):
        """A bound that takes an experiment of its own; one that goes wrong does not take the others with it."""
        say(what)
        try:
            found = run()
            self.bound(what, limit, show.format(found), holds(found))
        except (AssertionError, OSError, RuntimeError) as failed:
            print(f"{what}: {failed}", file=sys.stderr)
            self.bound(what, limit, "failed, see above", False)

    def experiments(self, lab):
        self.experiment("junk: queries for 200", "0", lambda: bounds.junk_queries(lab), lambda n: n == 0)
        self.experiment("cold: connection free while the application runs", "True",
                        lambda: bounds.connection_returned(lab), bool, "{}")  # fmt: skip
        self.experiment("1,000 at once with one uncached key: queries per child", "<= 1",
                        lambda: bounds.crowd(lab), lambda n: n <= 1, "{:g}")  # fmt: skip
        self.experiment("revoked by plain SQL: let in last", "< 1 s", lambda: bounds.revocation(lab),
                        lambda seconds: seconds < 1, "after {:.2f} s")  # fmt: skip
        self.experiment("revoked by the server's own API: let in after its answer", "0",
                        lambda: bounds.revocation_by_api(lab), lambda n: n == 0, "{}")  # fmt: skip

    def experiments_of_size(self, lab):
        table = "10 million keys in the table: cold check, of that at 10 thousand"
        cached = "1 million keys cached in 256 MiB: lost to others"
        warm = "1 million keys cached: instructions added, of those with one"
        if not FULL:
            for what, limit in ((table, "<= 1.2"), (cached, "<= 0.1 %"), (warm, "<= 1.1")):
                self.not_judged(what, limit, "not in short mode")
            return
        db = lab.sql.create_database()
        bounds.fill(db, bounds.MILLION)
        self.experiment(cached, "<= 0.1 %", lambda: bounds.million_cached(lab, db), lambda n: n <= 1000)
        self.experiment(warm, "<= 1.1", lambda: bounds.million_instructions(lab, db, COUNTS, self.none),
                        lambda ratio: ratio <= 1.1, "{:.2f}")  # fmt: skip
        self.experiment(table, "<= 1.2", lambda: Spread(bounds.table_size(lab)), lambda ratio: ratio.median <= 1.2,
                        "{}")  # fmt: skip

    # -- output ------------------------------------------------------------------------------------------------

    def print(self):
        load_title = f"under load ({CONNECTIONS} connections), of no authn"
        print(f"\n{'':34}{'instructions per request':>32}   {load_title:>40}")
        print(f"{'':34}{'all':>10}{'added':>10}{'of socache':>12}   {'CPU time':>20}{'throughput':>20}")
        for row in self.rows.all:
            added = self.added(row)
            of_socache = added / self.added(self.rows.socache)
            loads = self.loads.get(row, ("", ""))
            print(f"{row.name:34}{self.slopes[row].instructions:10,.0f}{added:10,.0f}{of_socache:12.2f}   "
                  f"{loads[0]!s:>20}{loads[1]!s:>20}")  # fmt: skip
        width = max(len(what) for what, *_ in self.bounds)
        print(f"\n{'what must hold':{width}}  {'bound':>24}  {'measured':>26}")
        for what, limit, measured, holds in self.bounds:
            verdict = {None: "", True: "holds", False: "DOES NOT HOLD"}[holds]
            print(f"{what:{width}}  {limit:>24}  {measured:>26}  {verdict}")

    def write(self, path):
        rows = {
            row.name: {
                "instructions": round(self.slopes[row].instructions),
                "added": round(self.added(row)),
                **{name: vars(spread) for name, spread in zip(("cpu", "throughput"), self.loads.get(row, ()))},
            }
            for row in self.rows.all
        }
        fields = ("what", "bound", "measured", "holds")
        found = {"mode": "full" if FULL else "short", "rows": rows,
                 "bounds": [dict(zip(fields, bound)) for bound in self.bounds]}  # fmt: skip
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")

    def failed(self):
        return any(holds is False for *_, holds in self.bounds)


def main():
    with Scratch("bench-") as scratch, MariaDB(scratch.folder("sql"), BIG_SERVER if FULL else []) as sql:
        lab = Lab(scratch, sql)
        say("instructions per request")
        slopes = count_instructions(lab)
        say(f"load: {ROUNDS} rounds")
        report = Report(lab, slopes, put_under_load(lab))
        report.judge()
        report.experiments(lab)
        report.experiments_of_size(lab)
    report.print()
    report.write(ROOT / "build" / "bench.json")
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
