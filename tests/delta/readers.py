"""Exports Delta tables from a server and compares what others read of them with the server's own answers."""

import argparse
import time

import deltalake
import pymysql

try:
    import duckdb
except ImportError:
    duckdb = None

ROWS = 150_000
COLUMNS = """id BIGINT UNSIGNED NOT NULL, site INT NOT NULL, s VARCHAR(60) COLLATE utf8mb4_bin, d DECIMAL(20,4), f DOUBLE,
    small TINYINT, day DATE, moment DATETIME(6), b VARBINARY(16)"""
# What all three compute alike.
SUMS = """COUNT(*), SUM(id), SUM(site), COUNT(s), MIN(s), MAX(s), SUM(d), SUM(small), MIN(day), MAX(day), MIN(moment),
    MAX(moment), COUNT(b), COUNT(DISTINCT s)"""
GROUPS = "SELECT site, COUNT(*), SUM(d) FROM {} GROUP BY site ORDER BY site"


def connect(port):
    for _ in range(300):
        try:
            return pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True)
        except pymysql.err.OperationalError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


def fill(cursor):
    cursor.execute("CREATE DATABASE delta")
    cursor.execute("USE delta")
    cursor.execute(f"CREATE TABLE t ({COLUMNS})")
    for start in range(0, ROWS, 10_000):
        rows = []
        for i in range(start, start + 10_000):
            null = i % 13 == 0
            rows.append(
                "({}, {}, {}, {}, {}, {}, {}, {}, {})".format(
                    i, i % 7 - 3,
                    "NULL" if null else f"'path/{i % 5000}/é\\\\ \\'q\\' {i % 3}'",
                    "NULL" if i % 17 == 0 else f"{i * 31 % 999_983 - 500_000}.{i % 10_000:04}",
                    f"{i}e-3", i % 256 - 128,
                    f"'{1970 + i % 90}-{i % 12 + 1:02}-{i % 28 + 1:02}'",
                    f"'{1990 + i % 40}-02-03 04:05:{i % 60:02}.{i % 1_000_000:06}'",
                    "NULL" if null else f"X'00{i % 256:02X}FF'",
                )
            )
        cursor.execute("INSERT INTO t VALUES " + ",".join(rows))


def plain(rows):
    """Rows in one form: numbers of all kinds as texts without trailing zeros, moments in ISO form."""

    def cell(value):
        if value is None:
            return None
        if isinstance(value, (bytes, bytearray)):
            return bytes(value).hex()
        if hasattr(value, "isoformat"):
            return value.isoformat().replace("+00:00", "")
        text = format(value, "f") if hasattr(value, "as_tuple") else str(value)
        return text.rstrip("0").rstrip(".") if "." in text and text.lstrip("-")[0].isdigit() else text

    return [tuple(cell(value) for value in row) for row in rows]


def same(what, expected, found):
    if expected != found:
        raise SystemExit(f"{what} differs:\n  Storno: {expected[:3]}\n  reader: {found[:3]}")
    print(f"ok: {what}")


def with_arrow(name, table, expected):
    """The rows themselves, through delta-rs and Arrow."""
    read = table.to_pyarrow_table().sort_by("id")
    same(f"{name}: rows by deltalake", expected[0], [str(read.num_rows)])
    first = read.slice(0, 500).select(["id", "site", "s", "d", "small", "day", "moment", "b"]).to_pylist()
    same(f"{name}: values by deltalake", expected[1], plain(row.values() for row in first))


def with_duckdb(name, relation, expected):
    con, table = relation
    same(f"{name}: sums by DuckDB", expected[2], plain(con.execute(f"SELECT {SUMS} FROM {table}").fetchall()))
    same(f"{name}: groups by DuckDB", expected[3], plain(con.execute(GROUPS.format(table)).fetchall()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--endpoint", default="")
    options = parser.parse_args()
    cursor = connect(options.port).cursor()
    fill(cursor)

    def ask(sql):
        cursor.execute(sql)
        return plain(cursor.fetchall())

    expected = (
        [str(ROWS)],
        ask("SELECT id, site, s, d, small, day, moment, b FROM t ORDER BY id LIMIT 500"),
        ask(f"SELECT {SUMS} FROM t"),
        ask(GROUPS.format("t")),
    )
    keys = {"key_id": "AKSTORNOTEST", "secret": "s3cr3t-CANARY-4711"}
    targets = [("a directory", "INTO OUTFILE URL '{}'", options.directory + "/{}", None)]
    if options.endpoint:
        cursor.execute(
            f"""CREATE LINK l AS S3 CONFIG '{{"endpoint_url": "{options.endpoint}"}}' CREDENTIALS
            '{{"aws_access_key_id": "{keys['key_id']}", "aws_secret_access_key": "{keys['secret']}"}}'"""
        )
        storage = {
            "AWS_ACCESS_KEY_ID": keys["key_id"], "AWS_SECRET_ACCESS_KEY": keys["secret"],
            "AWS_ENDPOINT_URL": options.endpoint, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true",
        }
        targets.append(("S3", "INTO LINK l 'bucket/{}'", "s3://bucket/{}", storage))
    for where, into, url, storage in targets:
        for name, more in [("plain", "MAXFILESIZE 1 MB"), ("parted", "PARTITION BY (site)")]:
            cursor.execute(f"SELECT * FROM t {into.format(name)} FORMAT DELTA {more}")
            table = deltalake.DeltaTable(url.format(name), storage_options=storage)
            title = f"{where}, {name}"
            with_arrow(title, table, expected)
            if duckdb is None:
                print(f"SKIPPED: {title} by DuckDB (not installed)")
                continue
            con = duckdb.connect()
            con.execute("SET TimeZone = 'UTC'")
            con.register("d", table.to_pyarrow_dataset())
            with_duckdb(f"{title}, files of deltalake", (con, "d"), expected)
            try:
                con.execute("LOAD delta")
            except duckdb.Error:
                print(f"SKIPPED: {title} by delta_scan (DuckDB's extension is not installed)")
                continue
            if storage:
                con.execute(
                    f"""CREATE SECRET (TYPE s3, KEY_ID '{keys['key_id']}', SECRET '{keys['secret']}', REGION 'us-east-1',
                    ENDPOINT '{options.endpoint.removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)"""
                )
            with_duckdb(f"{title}, delta_scan", (con, f"delta_scan('{url.format(name)}')"), expected)


if __name__ == "__main__":
    main()
