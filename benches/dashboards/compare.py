#!/usr/bin/env python3
"""Dashboard queries on Storno over its MySQL protocol, DuckDB and ClickHouse (chdb), in one run.

    pip install duckdb chdb pymysql pyarrow
    storno serve --data-dir DIR --listen 127.0.0.1:3406 &
    compare.py --data PARQUET_DIR --port 3406 [--load] [--runs 7] [--queries REGEX]

PARQUET_DIR has pageviews-*.parquet with the columns of tests/dashboard (25, one row a page view or
correction). `--load` loads them first, each engine in its best case: DuckDB sorted by (site_id, timestamp),
ClickHouse as one part ordered by it with LowCardinality strings, Storno as it comes, by LOAD DATA LOCAL.
The engines take turns; the table has medians of the rounds in milliseconds and ratios to Storno. Answers are
compared; a query that differs is marked. Only ratios of one run mean anything.
"""
import argparse
import glob
import math
import os
import re
import statistics
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
QUERIES = os.path.join(HERE, "../../tests/dashboard/queries.sql")
TEXT = ["hostname", "pathname", "referrer_hostname", "referrer_pathname", "referrer_type", "country_code", "region",
        "city", "browser", "operating_system", "device_type", "utm_source", "utm_medium", "utm_campaign",
        "utm_content", "utm_term"]
NOT_NULL = {"hostname", "pathname", "country_code", "browser", "operating_system", "device_type"}
MEASURES = ["pageviews", "visits", "uniques", "bounces", "exits", "duration"]
COLUMNS = ["site_id", "timestamp", "client_id", *TEXT, *MEASURES]


def queries(pattern):
    """Name, class and text of the queries over page views."""
    text = open(QUERIES).read()
    for head, sql in re.findall(r"^-- name: (.*)\n((?:(?!-- name).*\n?)+)", text, re.M):
        words = head.split()
        sql = sql.split(";")[0].strip()
        if re.search(r"FROM pageviews", sql) and re.search(pattern, words[0]):
            yield words[0], sql


class Storno:
    name = "Storno"

    def __init__(self, args):
        import pymysql
        self.connection = pymysql.connect(host="127.0.0.1", port=args.port, user="root", local_infile=True,
                                          autocommit=True, charset="utf8mb4")
        self.query("SET GLOBAL local_infile = 1")
        self.query("CREATE DATABASE IF NOT EXISTS bench")
        self.query("USE bench")

    def query(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def load(self, files):
        text = ", ".join(f"{c} VARCHAR(2048) {'NOT NULL' if c in NOT_NULL else 'NULL'}" for c in TEXT)
        sums = ", ".join(f"{c} INT NOT NULL" for c in MEASURES)
        self.query("DROP TABLE IF EXISTS pageviews")
        self.query("CREATE TABLE pageviews (site_id INT UNSIGNED NOT NULL, timestamp DATETIME NOT NULL, "
                   f"client_id BIGINT UNSIGNED NOT NULL, {text}, {sums}, SORT KEY (site_id, timestamp))")
        import duckdb
        seconds = 0.0
        for file in files:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "rows.tsv")
                duckdb.execute(f"COPY (SELECT {', '.join(COLUMNS)} FROM read_parquet('{file}')) TO '{path}' "
                               "(FORMAT csv, DELIMITER '\t', NULL '\\N', HEADER false, QUOTE '', ESCAPE '')")
                start = time.perf_counter()
                self.query(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE pageviews CHARACTER SET utf8mb4 "
                           f"({', '.join(COLUMNS)})")
                seconds += time.perf_counter() - start
        return seconds


class DuckDB:
    name = "DuckDB"

    def __init__(self, args):
        import duckdb
        self.connection = duckdb.connect(os.path.join(args.store, "bench.duckdb"), config={"threads": os.cpu_count()})

    def query(self, sql):
        rules = [(r"DATE_FORMAT\((\w+), '%Y-%m-%d %H:00:00'\)", r"date_trunc('hour', \1)"),
                 (r"DATE_FORMAT\((\w+), '%Y-%m-01'\)", r"date_trunc('month', \1)"),
                 (r"\bDATE\((\w+)\)", r"CAST(\1 AS DATE)"), (r"DAYOFWEEK\((\w+)\)", r"(date_part('dow', \1) + 1)"),
                 (r"HOUR\((\w+)\)", r"date_part('hour', \1)")]
        for old, new in rules:
            sql = re.sub(old, new, sql)
        return self.connection.execute(sql).fetchall()

    def load(self, files):
        start = time.perf_counter()
        self.connection.execute(f"CREATE OR REPLACE TABLE pageviews AS SELECT {', '.join(COLUMNS)} FROM "
                                f"read_parquet({files!r}) ORDER BY site_id, timestamp")
        self.connection.execute("CHECKPOINT")
        return time.perf_counter() - start


class ClickHouse:
    name = "ClickHouse"

    def __init__(self, args):
        from chdb import session
        self.session = session.Session(os.path.join(args.store, "bench.chdb"))
        self.query("CREATE DATABASE IF NOT EXISTS bench")
        self.query("USE bench")
        self.query(f"SET max_threads = {os.cpu_count()}, prefer_column_name_to_alias = 1")

    def query(self, sql):
        rules = [(r"DATE_FORMAT\((\w+), '%Y-%m-%d %H:00:00'\)", r"toStartOfHour(\1)"),
                 (r"DATE_FORMAT\((\w+), '%Y-%m-01'\)", r"toStartOfMonth(\1)"), (r"\bDATE\((\w+)\)", r"toDate(\1)"),
                 (r"DAYOFWEEK\((\w+)\)", r"(toDayOfWeek(\1) % 7 + 1)"), (r"HOUR\((\w+)\)", r"toHour(\1)")]
        for old, new in rules:
            sql = re.sub(old, new, sql)
        return [line.split("\t") for line in self.session.query(sql, "TabSeparated").data().splitlines()]

    def load(self, files):
        start = time.perf_counter()
        low = [c for c in TEXT if c not in ("pathname", "referrer_pathname")]
        kind = {c: f"LowCardinality({'String' if c in NOT_NULL else 'Nullable(String)'})" for c in low}
        kind |= {"pathname": "String", "referrer_pathname": "Nullable(String)", "site_id": "UInt32",
                 "timestamp": "DateTime('UTC')", "client_id": "UInt64"} | {c: "Int32" for c in MEASURES}
        body = ", ".join(f"{c} {kind[c]}" for c in COLUMNS)
        self.query("DROP TABLE IF EXISTS pageviews")
        self.query(f"CREATE TABLE pageviews ({body}) ENGINE = MergeTree ORDER BY (site_id, timestamp)")
        for file in files:
            self.query(f"INSERT INTO pageviews SELECT {', '.join(COLUMNS)} FROM file('{file}', Parquet)")
        self.query("OPTIMIZE TABLE pageviews FINAL")
        return time.perf_counter() - start


def cell(value):
    if value is None or value == "\\N":
        return None
    text = str(value)
    return text[:-9] if text.endswith(" 00:00:00") else text


def same(left, right):
    if len(left) != len(right):
        return False
    for a, b in zip(left, right):
        for x, y in zip(map(cell, a), map(cell, b)):
            if x != y:
                try:
                    if abs(float(x) - float(y)) > 1e-3 * max(1.0, abs(float(x))):
                        return False
                except (TypeError, ValueError):
                    return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--store", default=os.path.join(tempfile.gettempdir(), "storno-compare"))
    parser.add_argument("--port", type=int, default=3306)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--queries", default="")
    parser.add_argument("--load", action="store_true")
    args = parser.parse_args()
    os.makedirs(args.store, exist_ok=True)
    files = sorted(glob.glob(os.path.join(args.data, "pageviews-*.parquet")))
    engines = [Storno(args), DuckDB(args), ClickHouse(args)]
    if args.load:
        for engine in engines:
            seconds = engine.load(files)
            rows = int(engine.query("SELECT COUNT(*) FROM pageviews")[0][0])
            print(f"{engine.name}: {rows} rows in {seconds:.1f} s, {rows / seconds:,.0f} rows/s", flush=True)
    print(f"{'query':<28}" + "".join(f"{e.name:>12}" for e in engines) + f"{'x DuckDB':>10}{'x ClickH.':>10}")
    ratios = []
    for name, sql in queries(args.queries):
        times, answers = {e.name: [] for e in engines}, {}
        for _ in range(args.runs + 1):
            for engine in engines:
                start = time.perf_counter()
                answers[engine.name] = engine.query(sql)
                times[engine.name].append((time.perf_counter() - start) * 1e3)
        medians = [statistics.median(times[e.name][1:]) for e in engines]
        factors = [other / medians[0] for other in medians[1:]]
        ratios.append(factors)
        equal = all(same(answers["Storno"], answers[e.name]) for e in engines[1:])
        print(f"{name:<28}" + "".join(f"{m:>12.2f}" for m in medians) + "".join(f"{f:>10.1f}" for f in factors)
              + ("" if equal else "  answers differ"), flush=True)
    for at, engine in enumerate(engines[1:]):
        mean = math.exp(statistics.mean(math.log(r[at]) for r in ratios))
        print(f"geometric mean, {engine.name} / Storno: {mean:.2f}")


if __name__ == "__main__":
    main()
