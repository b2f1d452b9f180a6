#!/usr/bin/env python3
"""The same rows into DuckDB and ClickHouse (chdb), which run in this process: embedded.py [--seconds 10] [--only NAME]

    pip install duckdb chdb

Statements of 1, 1,000 and 30,000 rows, and a CSV file of a million rows, into a database file in a temporary
directory. There is no protocol between: these are ceilings of the engines, not of servers. Run it beside
benches/ingest on the same quiet machine; only ratios of one run mean anything.
"""
import argparse
import os
import random
import resource
import shutil
import tempfile
import time

TEXT = ["hostname", "pathname", "referrer_hostname", "referrer_pathname", "referrer_type", "country_code", "region",
        "city", "browser", "operating_system", "device_type", "utm_source", "utm_medium", "utm_campaign",
        "utm_content", "utm_term"]
NOT_NULL = {"hostname", "pathname", "country_code", "browser", "operating_system", "device_type"}
MEASURES = ["pageviews", "visits", "uniques", "bounces", "exits", "duration"]
COLUMNS = ["site_id", "timestamp", "client_id", *TEXT, *MEASURES]


def row(r):
    site, path, second = int(r.random() ** 4 * 500) + 1, int(r.random() ** 3 * 200_000), r.randrange(86_400)
    referred = r.random() < 0.4
    seldom = [f"{n}-{r.randrange(20)}" if r.random() < 0.1 else None
              for n in ("source", "medium", "campaign", "content", "term")]
    return [site, f"2026-11-{r.randint(1, 28):02d} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}",
            r.getrandbits(63), f"site{site}.example.org", f"/articles/{path % 97}/{path}-some-words-of-a-title",
            r.choice(["www.google.com", "t.co"]) if referred else None, "/" if referred else None,
            "search" if referred else None, r.choice(["US", "DE", "GB", "FR"]), f"region {r.randrange(40)}",
            f"city {r.randrange(900)}", r.choice(["Chrome", "Safari", "Firefox"]), r.choice(["Windows", "iOS"]),
            r.choice(["desktop", "mobile"]), *seldom, 1, 1, 1, r.randint(-1, 1), 0, r.randrange(300)]


def literal(value):
    return "NULL" if value is None else str(value) if isinstance(value, int) else f"'{value}'"


def statement(r, rows):
    return "INSERT INTO ingest VALUES " + ",".join(
        "(" + ",".join(map(literal, row(r))) + ")" for _ in range(rows))


class DuckDB:
    name = "DuckDB"

    def __init__(self, folder):
        import duckdb
        self.run = duckdb.connect(os.path.join(folder, "duck.db")).execute

    def create(self):
        text = ", ".join(f"{c} VARCHAR {'NOT NULL' if c in NOT_NULL else ''}" for c in TEXT)
        numbers = ", ".join(f"{c} INTEGER NOT NULL" for c in MEASURES)
        self.run("DROP TABLE IF EXISTS ingest")
        self.run(f"CREATE TABLE ingest (site_id UINTEGER, timestamp TIMESTAMP, client_id UBIGINT, {text}, {numbers})")

    def load(self, path):
        self.run(f"COPY ingest FROM '{path}' (HEADER false, NULLSTR '\\N')")


class ClickHouse:
    name = "ClickHouse"

    def __init__(self, folder):
        from chdb import session
        self.run = session.Session(os.path.join(folder, "clickhouse")).query
        self.run("CREATE DATABASE IF NOT EXISTS bench")
        self.run("USE bench")

    def create(self):
        kind = lambda c: "String" if c in NOT_NULL else "Nullable(String)"
        text = ", ".join(f"{c} {kind(c)}" for c in TEXT)
        numbers = ", ".join(f"{c} Int32" for c in MEASURES)
        self.run("DROP TABLE IF EXISTS ingest")
        self.run(f"CREATE TABLE ingest (site_id UInt32, timestamp DateTime('UTC'), client_id UInt64, {text}, {numbers}) "
                 "ENGINE = MergeTree ORDER BY (site_id, timestamp) SETTINGS fsync_after_insert = 1")

    def load(self, path):
        columns = ", ".join(f"c{i + 1}" for i in range(len(COLUMNS)))
        self.run(f"INSERT INTO ingest SELECT {columns} FROM file('{path}', CSV)")


def processor():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(engine, what, rows, work):
    started, cpu = time.perf_counter(), processor()
    done = work()
    wall, cpu = time.perf_counter() - started, processor() - cpu
    print(f"{engine.name:<12} {what:<20} {done * rows / wall:>12,.0f} rows/s {cpu * 1e6 / (done * rows):>9.2f} CPU us/row",
          flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="storno-ingest-")
    try:
        r = random.Random(7)
        sizes = {rows: [statement(r, rows) for _ in range(max(4, 64 // rows))] for rows in (1, 1_000, 30_000)}
        path = os.path.join(folder, "rows.csv")
        with open(path, "w") as file:
            for _ in range(1_000_000):
                file.write(",".join("\\N" if v is None else str(v) for v in row(r)) + "\n")
        for engine in (DuckDB, ClickHouse):
            if args.only and args.only != engine.name:
                continue
            engine = engine(folder)
            for rows, statements in sizes.items():
                engine.create()

                def send():
                    until, done = time.perf_counter() + args.seconds, 0
                    while time.perf_counter() < until:
                        engine.run(statements[done % len(statements)])
                        done += 1
                    return done
                timed(engine, f"{rows} rows", rows, send)
            engine.create()
            timed(engine, "CSV file", 1_000_000, lambda: engine.load(path) or 1)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
