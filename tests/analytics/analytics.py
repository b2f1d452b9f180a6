"""Loads rows into Storno and DuckDB, asks both the same queries and compares the answers cell by cell.

See tests/analytics/run. Prints a line per query and ends with status 1 if one differs or fails.
"""

import argparse
import datetime
import decimal
import pathlib
import re
import socket
import subprocess
import sys
import time

import duckdb
import pymysql

HERE = pathlib.Path(__file__).parent
TPCH = "region nation part supplier partsupp customer orders lineitem".split()

# Rows with the shapes of web hits: skewed counters, mostly empty phrases, a few hot hashes.
HITS = """
SELECT hash(i)::HUGEINT % 9000000000000000000 AS WatchID,
       CASE WHEN h % 7 = 0 THEN 'Google: page ' || h % 900 ELSE 'Title ' || h % 2000 END AS Title,
       TIMESTAMP '2013-07-01 00:00:00' + to_seconds(h % 2678400) AS EventTime,
       EventTime::DATE AS EventDate,
       CASE WHEN h % 3 = 0 THEN 62 ELSE (h // 11 % 200)::INT END AS CounterID,
       (h // 3 % 60000 - 30000)::INT AS ClientIP,
       (h // 5 % 229)::INT AS RegionID,
       CASE WHEN h % 5000 = 0 THEN 435090932899640449 ELSE h // 7 % 40000 + 4000000000000000000 END AS UserID,
       CASE WHEN h % 9 = 0 THEN 'http://www.google.com/search?q=' ELSE 'http://example.org/' END || h // 13 % 9000 AS URL,
       CASE h % 4 WHEN 0 THEN '' WHEN 1 THEN 'https://www.site' || h // 17 % 60 || '.org/' || h % 100
            WHEN 2 THEN 'http://site' || h // 17 % 60 || '.net/a/b' ELSE 'http://nopath' || h % 5 END AS Referer,
       (h // 19 % 10 = 0)::INT AS IsRefresh,
       (h // 23 % 5 * 320 + 320)::INT AS ResolutionWidth,
       (h // 29 % 8 * 200)::INT AS WindowClientWidth, (h // 31 % 8 * 150)::INT AS WindowClientHeight,
       (h // 37 % 6)::INT AS MobilePhone,
       CASE WHEN h // 37 % 6 = 0 THEN '' ELSE 'Model ' || h // 41 % 40 END AS MobilePhoneModel,
       (h // 43 % 9 - 1)::INT AS TraficSourceID,
       CASE WHEN h // 47 % 3 = 0 THEN h // 53 % 20 ELSE 0 END::INT AS SearchEngineID,
       CASE WHEN h // 59 % 4 = 0 THEN 'phrase ünï ' || h // 61 % 3000 ELSE '' END AS SearchPhrase,
       CASE WHEN h // 67 % 30 = 0 THEN h // 71 % 20 ELSE 0 END::INT AS AdvEngineID,
       (h // 73 % 3 = 0)::INT AS IsLink, (h // 79 % 50 = 0)::INT AS IsDownload, (h // 83 % 20 = 0)::INT AS DontCountHits,
       CASE WHEN h // 89 % 5 = 0 THEN 3594120000172545465 ELSE h // 3 END AS RefererHash,
       CASE WHEN h // 97 % 5 = 0 THEN 2868770270353813622 ELSE h // 101 % 5000 END AS URLHash
FROM (SELECT i, (hash(i * 2654435761)::HUGEINT % 4611686018427387904)::BIGINT AS h FROM range({rows}) t(i))
"""


def queries(path):
    """Name, text for MySQL, text for DuckDB."""
    found = []
    for part in re.split(r"^-- name: ", path.read_text(), flags=re.M)[1:]:
        name, text = part.split("\n", 1)
        ours, _, theirs = text.partition("-- duckdb:")
        clean = [t.strip().rstrip(";") for t in (ours, theirs)]
        found.append((name.strip(), clean[0], clean[1] or clean[0]))
    return found


def statements(path):
    return [s.strip() for s in path.read_text().split(";") if s.strip()]


class Server:
    """A storno process on a directory of its own."""

    def __init__(self, binary, directory):
        subprocess.run(["rm", "-rf", directory], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [binary, "serve", "--data-dir", directory, "--listen", f"127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def connect(self, **more):
        for _ in range(600):
            try:
                return pymysql.connect(host="127.0.0.1", port=self.port, user="root",
                                       autocommit=True, local_infile=True, **more)
            except pymysql.err.OperationalError:
                time.sleep(0.1)
        raise SystemExit("the server does not answer")

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def generate(name, scale, work, judge):
    """CSV files of a set's tables; the same rows in DuckDB."""
    folder = work / f"{name}-{scale}"
    if name == "tpch" and not folder.exists():
        tool = pathlib.Path(sys.executable).parent / "tpchgen-cli"
        subprocess.run([tool, "csv", "-s", str(scale), "--output-dir", folder, "--quiet"], check=True)
    folder.mkdir(parents=True, exist_ok=True)
    for statement in statements(HERE / f"{name}_tables.sql"):
        judge.execute(re.sub(r",\s*SORT KEY \([^)]*\)", "", statement))
    if name == "tpch":
        for table in TPCH:
            judge.execute(f"COPY {table} FROM '{folder / table}.csv' (HEADER)")
        return folder, TPCH
    judge.execute("INSERT INTO hits BY NAME " + HITS.format(rows=scale))
    judge.execute(f"COPY hits TO '{folder}/hits.csv' (HEADER)")
    return folder, ["hits"]


def load(name, folder, tables, db):
    with db.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} COLLATE utf8mb4_bin")
        cursor.execute(f"USE {name}")
        for statement in statements(HERE / f"{name}_tables.sql"):
            cursor.execute(statement)
        for table in tables:
            cursor.execute(
                f"LOAD DATA LOCAL INFILE '{folder}/{table}.csv' INTO TABLE {table} "
                "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' IGNORE 1 LINES")


def cell(value):
    if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bytes):
        return value.decode("utf8", "replace")
    if isinstance(value, (datetime.date, datetime.datetime)):
        return str(value)
    return value


def equal(a, b):
    a, b = cell(a), cell(b)
    if isinstance(a, float) and isinstance(b, float):
        # MySQL rounds quotients to four digits more than the dividend has.
        return abs(a - b) <= 1e-4 + 1e-9 * max(abs(a), abs(b))
    return a == b


def compare(ours, theirs):
    """None, or the first difference."""
    if len(ours) != len(theirs):
        return f"{len(ours)} rows instead of {len(theirs)}"
    for row, (a, b) in enumerate(zip(ours, theirs)):
        if len(a) != len(b) or not all(map(equal, a, b)):
            return f"row {row}: {a} instead of {b}"
    return None


def run(name, scale, server, work, only):
    judge = duckdb.connect()
    folder, tables = generate(name, scale, work, judge)
    db = server.connect()
    load(name, folder, tables, db)
    good = bad = 0
    for query, ours, theirs in queries(HERE / f"{name}.sql"):
        if only and query not in only:
            continue
        start = time.monotonic()
        try:
            with db.cursor() as cursor:
                cursor.execute(ours)
                answer = cursor.fetchall()
            difference = compare(answer, judge.execute(theirs).fetchall())
        except pymysql.err.MySQLError as error:
            difference = str(error)
            db = server.connect(database=name)
        milliseconds = (time.monotonic() - start) * 1000
        print(f"{name} {query}: {difference or 'equal'} ({milliseconds:.0f} ms, {len(answer) if not difference else '-'} rows)")
        good, bad = (good, bad + 1) if difference else (good + 1, bad)
    return good, bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("set", nargs="?", choices=["tpch", "clickbench"])
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    server = Server(options.binary, str(options.work / "data"))
    total = [0, 0]
    try:
        with server.connect().cursor() as cursor:
            cursor.execute("SET GLOBAL local_infile = 1")
        for name, scale in (("tpch", 0.1), ("clickbench", 300000)):
            if options.set in (None, name):
                result = run(name, scale, server, options.work, options.names)
                total = [a + b for a, b in zip(total, result)]
    finally:
        server.stop()
    print(f"{total[0]} passed, {total[1]} failed")
    sys.exit(1 if total[1] else 0)


if __name__ == "__main__":
    main()
