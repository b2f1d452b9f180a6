"""Statements that want more memory than there is; see tests/memory/run."""

import argparse
import collections
import os
import random
import sys
import threading
import time

import pymysql

ROWS = 1_000_000


def setup(db):
    """A table of a million rows with distinct strings."""
    with db.cursor() as cursor:
        cursor.execute("CREATE DATABASE bombs")
        cursor.execute("USE bombs")
        cursor.execute(
            "CREATE TABLE t (id BIGINT NOT NULL, k INT NOT NULL, s VARCHAR(200) NOT NULL, d DOUBLE, SORT KEY (id))")
        for start in range(0, ROWS, 50_000):
            rows = ",".join(
                f"({i},{i % 1000},'{i * 2654435761 % 2**64:020d}-{i}-some more text to fill the memory with',{i}.5)"
                for i in range(start, start + 50_000))
            cursor.execute("INSERT INTO t VALUES " + rows)


def bomb(rng):
    """A kind of statement and its text."""
    n = rng.choice([2, 3, 5, 8])
    kinds = {
        "repeat": f"SELECT MAX(LENGTH(REPEAT(s, {rng.randrange(1_000, 900_000)}))) FROM t",
        "nested": f"SELECT SUM(LENGTH(CONCAT(REPEAT(s, {rng.randrange(100, 90_000)}), "
                  f"REPEAT(REVERSE(s), {rng.randrange(100, 90_000)}), HEX(REPEAT(s, {rng.randrange(100, 9_000)}))))) FROM t",
        "group": "SELECT CONCAT(s, id), COUNT(*), MIN(s), MAX(CONCAT(s, k)) FROM t GROUP BY 1 ORDER BY 2 LIMIT 5",
        "wide group": f"SELECT REPEAT(s, {n * 5}), SUM(d) FROM t GROUP BY 1 ORDER BY 2 DESC LIMIT 5",
        "distinct": f"SELECT COUNT(DISTINCT REPEAT(s, {n * 3}), id) FROM t",
        "sort": f"SELECT REPEAT(s, {n * 4}) AS x, id FROM t ORDER BY x LIMIT 1000000, 1",
        "join": "SELECT COUNT(*), MAX(CONCAT(a.s, b.s)) FROM t a JOIN t b ON a.k = b.k AND a.s < b.s",
        "hash join": f"SELECT COUNT(*) FROM (SELECT REPEAT(s, {n * 4}) AS x FROM t) a JOIN (SELECT REPEAT(s, {n * 4}) AS y FROM t) b ON x = y",
        "cross": "SELECT COUNT(*) FROM t a, t b WHERE a.d + b.d < 0",
        "concat": f"SET group_concat_max_len = 4294967295; SELECT LENGTH(GROUP_CONCAT(REPEAT(s, {n * 10}))) FROM t",
        "json": f"SELECT LENGTH(JSON_ARRAYAGG(REPEAT(s, {n * 10}))) FROM t",
        "window": f"SELECT MAX(LENGTH(x)) FROM (SELECT REPEAT(s, {n * 4}) AS x, ROW_NUMBER() OVER (ORDER BY d DESC) AS r, "
                  "LAG(s) OVER (PARTITION BY k ORDER BY id) AS l FROM t) w WHERE r % 2 = 0",
        "recursive": "WITH RECURSIVE r (n, s) AS (SELECT 1, CAST('x' AS CHAR(60000)) UNION ALL "
                     "SELECT n + 1, CONCAT(s, s) FROM r WHERE n < 900) SELECT MAX(LENGTH(s)) FROM r",
        "doubling": "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + m FROM r, (SELECT 0 AS m UNION ALL SELECT 1 "
                    "UNION ALL SELECT 2) three WHERE n < 500) SELECT COUNT(*) FROM r",
        "union": "SELECT COUNT(*) FROM (" + " UNION ".join(
            f"SELECT CONCAT(s, {i}) AS x FROM t" for i in range(n * 3)) + ") u",
        "variable": f"SET @x = REPEAT('x', {rng.randrange(1_000_000, 67_000_000)}); SELECT LENGTH(CONCAT(@x, @x, @x))",
        "in list": "SELECT COUNT(*) FROM t WHERE s IN (" + ",".join(
            f"'{i}-{'y' * 40}'" for i in range(rng.randrange(10_000, 60_000))) + ")",
        "insert": f"CREATE TABLE IF NOT EXISTS big (x LONGTEXT); INSERT INTO big SELECT REPEAT(s, {n * 2000}) FROM t LIMIT 20000",
        "create": f"DROP TABLE IF EXISTS c; CREATE TABLE c AS SELECT REPEAT(s, {n * 10}) AS x FROM t",
        "update": f"UPDATE t SET s = LEFT(CONCAT(s, REPEAT('z', {n * 20})), 200) WHERE id % 2 = 0",
    }
    name = rng.choice(list(kinds))
    return name, kinds[name]


class Result:
    def __init__(self):
        self.lock = threading.Lock()
        self.outcomes = collections.Counter()
        self.slowest = (0.0, "")
        self.broken = []

    def add(self, name, outcome, seconds):
        with self.lock:
            self.outcomes[f"{name}: {outcome}"] += 1
            self.slowest = max(self.slowest, (seconds, name))


def work(options, bombs, result):
    """Runs bombs on one connection until there are none left."""
    db = connect(options)
    while True:
        with result.lock:
            if not bombs:
                return
            name, text = bombs.pop()
        start = time.monotonic()
        try:
            with db.cursor(pymysql.cursors.SSCursor) as cursor:
                for statement in text.split("; "):
                    cursor.execute(statement)
                    for _ in range(10):
                        if not cursor.fetchmany(1000):
                            break
            outcome = "answered"
        except pymysql.err.MySQLError as error:
            outcome = f"error {error.args[0]}"
            if error.args[0] in (2003, 2006, 2013):
                result.broken.append(f"{name}: {error}")
            db = connect(options)
        result.add(name, outcome, time.monotonic() - start)


def connect(options):
    # Nothing is waited for longer than a minute: a statement has 20 seconds by max_execution_time.
    db = pymysql.connect(host="127.0.0.1", port=options.port, user="root", autocommit=True, read_timeout=120)
    with db.cursor() as cursor:
        cursor.execute("SET max_execution_time = 20000")
        cursor.execute("CREATE DATABASE IF NOT EXISTS bombs")
        cursor.execute("USE bombs")
    return db


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def main():
    parser = argparse.ArgumentParser()
    for name in ("port", "pid", "bombs", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    for _ in range(600):
        try:
            setup(pymysql.connect(host="127.0.0.1", port=options.port, user="root", autocommit=True))
            break
        except pymysql.err.OperationalError as error:
            if error.args[0] != 2003:
                raise
            time.sleep(0.1)
    rng = random.Random(options.seed)
    bombs = [bomb(rng) for _ in range(options.bombs)]
    result = Result()
    # Four at a time: they meet in memory.
    threads = [threading.Thread(target=work, args=(options, bombs, result)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outcome, times in sorted(result.outcomes.items()):
        print(f"{times:4} {outcome}")
    print(f"slowest: {result.slowest[0]:.1f} s ({result.slowest[1]})")
    answered = sum(result.outcomes.values())
    if not alive(options.pid) or result.broken or answered != options.bombs:
        print("the server died" if not alive(options.pid) else "the server lives")
        print(f"broken: {result.broken[:5]}")
        print(f"{answered - len(result.broken)} passed, {options.bombs - answered + len(result.broken)} failed")
        sys.exit(1)
    with connect(options).cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM t")
        assert cursor.fetchone() == (ROWS,), "rows are missing"
    with open(f"/proc/{options.pid}/status") as status:
        print(next(line for line in status if line.startswith("VmHWM")).strip())
    print(f"{answered} passed, 0 failed")


if __name__ == "__main__":
    main()
