#!/usr/bin/env python3
"""Exports of Storno beside DuckDB's COPY, to the same S3 server, in one run; then both read back.

    pip install duckdb duckdb-extension-httpfs pymysql pyarrow deltalake
    cargo build --release --workspace --tests --examples     # storno and the S3 server
    compare.py --bin target/release [--rows 20000000] [--dir DIR] [--runs 3] [--alone]

Makes page views of 24 columns in DuckDB, loads them into Storno by Parquet from the S3 server, and exports them from
both as zstd Parquet and as gzip CSV, Storno after a restart. Columns of the table: seconds (best of the runs, in turns),
rows/s, MB/s of what was written, and Storno's highest resident memory while it exported. Every export is read back by DuckDB and compared with
the table by counts, sums and distinct values; Parquet also by pyarrow, a Delta table by deltalake, CSV by LOAD DATA.
Only ratios of one run mean anything.
"""
import argparse
import glob
import os
import subprocess
import tempfile
import threading
import time

TEXT = ["hostname", "pathname", "referrer_hostname", "referrer_pathname", "referrer_type", "country_code", "region",
        "city", "browser", "operating_system", "device_type", "utm_source", "utm_medium", "utm_campaign"]
NUMBERS = ["pageviews", "visits", "uniques", "bounces", "exits", "duration"]
DISTINCT = {"hostname": 50, "pathname": 200_000, "referrer_hostname": 3_000, "referrer_pathname": 9_000,
            "referrer_type": 6, "country_code": 180, "region": 900, "city": 12_000, "browser": 25,
            "operating_system": 18, "device_type": 4, "utm_source": 60, "utm_medium": 12, "utm_campaign": 700}
CHECK = ("SELECT COUNT(*), SUM(id), COUNT(DISTINCT site_id), SUM(amount), MIN(moment), MAX(moment), "
         + ", ".join(f"COUNT(DISTINCT {c})" for c in ["pathname", "city", "utm_source"])
         + ", COUNT(utm_source), " + ", ".join(f"SUM({c})" for c in NUMBERS) + " FROM {}")


def source(rows):
    """24 columns of page views, the same in every run."""
    def text(i, c):
        value = f"'{c[:4]}-' || (hash(i * {7 + i_of(c)}) % {DISTINCT[c]})::VARCHAR"
        if c == "pathname":
            value = f"'/blog/' || (hash(i * 3) % {DISTINCT[c]})::VARCHAR || '/an-article-of-some-length'"
        return f"CASE WHEN hash(i * {31 + i_of(c)}) % 3 = 0 THEN NULL ELSE {value} END" if c.startswith("utm") else value
    i_of = TEXT.index
    columns = ["i::BIGINT AS id", "(hash(i) % 500)::INTEGER AS site_id",
               "TIMESTAMP '2024-01-01' + INTERVAL (i * 31536000 // {}) SECOND AS moment".format(rows),
               "((hash(i * 5) % 100000) / 100)::DECIMAL(12,2) AS amount"]
    columns += [f"{text(None, c)} AS {c}" for c in TEXT]
    columns += [f"(hash(i * {n + 50}) % {2 if n < 5 else 900})::INTEGER AS {c}" for n, c in enumerate(NUMBERS)]
    return f"SELECT {', '.join(columns)} FROM range({rows}) t(i)"


class Watch:
    """Highest resident memory of a process while it is watched."""
    def __init__(self, pid):
        self.pid, self.most, self.on = pid, 0, True
        self.thread = threading.Thread(target=self.run, daemon=True)

    def resident(self):
        with open(f"/proc/{self.pid}/status") as status:
            # Pages of mapped segments are the system's, to be taken back at any time.
            return sum(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

    def run(self):
        while self.on:
            self.most = max(self.most, self.resident())
            time.sleep(0.05)

    def __enter__(self):
        self.before = self.resident()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.on = False
        self.thread.join()


class Storno:
    """A server that may write to one object store, and a connection to it."""
    def __init__(self, program, directory, endpoint):
        self.command = [program, "serve", "--data-dir", directory, "--listen", "127.0.0.1:0"]
        self.environment = dict(os.environ, STORNO_STORE_ENDPOINTS=endpoint)
        self.start()

    def start(self):
        import pymysql
        self.process = subprocess.Popen(self.command, env=self.environment, stdout=subprocess.PIPE, text=True)
        lines = (line for line in self.process.stdout if " on 127.0.0.1:" in line)
        port = int(next(lines).rsplit(":", 1)[1].split(".")[0])
        connection = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True)
        self.cursor = connection.cursor()

    def query(self, sql):
        self.cursor.execute(sql)
        return self.cursor.fetchall()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def restart(self):
        self.stop()
        self.start()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--dir")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="without DuckDB's exports, for Storno's memory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir) as directory:
        run(args, directory)


def run(args, directory):
    import duckdb
    s3_dir = os.path.join(directory, "s3")
    server = subprocess.Popen([os.path.join(args.bin, "examples/s3_server"), s3_dir, "0"], stdout=subprocess.PIPE,
                              text=True)
    endpoint, bucket, key, secret = server.stdout.readline().split()
    storno = Storno(os.path.join(args.bin, "storno"), os.path.join(directory, "db"), endpoint)
    query = storno.query
    try:
        duck = duckdb.connect(os.path.join(directory, "duck.db"))
        load_httpfs(duck)
        duck.execute("SET preserve_insertion_order = true")
        duck.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', ENDPOINT '{endpoint[7:]}', "
                     "URL_STYLE 'path', USE_SSL false)")
        query("CREATE DATABASE bench")
        query("USE bench")
        query(f"CREATE LINK store AS S3 CONFIG '{{\"endpoint_url\": \"{endpoint}\"}}' CREDENTIALS "
              f"'{{\"aws_access_key_id\": \"{key}\", \"aws_secret_access_key\": \"{secret}\"}}'")
        duck.execute(f"CREATE TABLE t AS {source(args.rows)}")
        duck.execute(f"COPY t TO 's3://{bucket}/source.parquet' (FORMAT parquet, COMPRESSION zstd)")
        text = ", ".join(f"{c} VARCHAR(255)" for c in TEXT)
        numbers = ", ".join(f"{c} INT" for c in NUMBERS)
        query(f"CREATE TABLE t (id BIGINT, site_id INT, moment DATETIME, amount DECIMAL(12,2), {text}, {numbers}, "
              "SHARD KEY (site_id), SORT KEY (site_id, moment))")
        began = time.time()
        query(f"LOAD DATA LINK store FILE '{bucket}/source.parquet' FORMAT PARQUET INTO TABLE t")
        print(f"{args.rows:,} rows loaded from Parquet in {time.time() - began:.1f} s", flush=True)
        expected = answer(duck.execute(CHECK.format("t")).fetchone())
        assert answer(query(CHECK.format("t"))[0]) == expected, "the tables differ"
        # What it took to load and to check is not the export's.
        storno.restart()
        query("USE bench")

        print(f"{'':22}{'seconds':>9}{'rows/s':>13}{'MB/s':>8}{'MB':>8}{'memory MB':>11}")
        kinds = {
            "Parquet": ("FORMAT PARQUET", "(FORMAT parquet, COMPRESSION zstd)", "parquet"),
            "CSV gzip": ("FORMAT CSV HEADER COMPRESSION gzip", "(FORMAT csv, HEADER, COMPRESSION gzip)", "csv"),
        }
        for kind, (own, theirs, form) in kinds.items():
            best = {"Storno": None} if args.alone else {"Storno": None, "DuckDB": None}
            for _ in range(args.runs):
                with Watch(storno.process.pid) as watch:
                    began = time.time()
                    query(f"SELECT * FROM t INTO LINK store '{bucket}/own-{form}' {own} OVERWRITE ON")
                    taken = time.time() - began
                best["Storno"] = least(best["Storno"], (taken, watch.most // 1024))
                if args.alone:
                    continue
                began = time.time()
                duck.execute(f"COPY t TO 's3://{bucket}/duck-{form}' {theirs}")
                best["DuckDB"] = least(best["DuckDB"], (time.time() - began, None))
            for name in best:
                prefix = {"Storno": "own", "DuckDB": "duck"}[name]
                size = sum(os.path.getsize(os.path.join(s3_dir, bucket, f))
                           for f in os.listdir(os.path.join(s3_dir, bucket)) if f.startswith(f"{prefix}-{form}"))
                seconds, memory = best[name]
                print(f"{kind + ' ' + name:22}{seconds:9.2f}{args.rows / seconds:13,.0f}{size / seconds / 1e6:8.1f}"
                      f"{size / 1e6:8.0f}{memory if memory else '':>11}")

        columns = "".join(f", '{c}': 'VARCHAR'" for c in TEXT)
        csv = (f"read_csv('s3://{bucket}/own-csv.part_*', header = true, compression = 'gzip', nullstr = 'NULL', "
               f"types = {{'amount': 'DECIMAL(12,2)'{columns}}})")
        reads = {"DuckDB, Parquet": f"read_parquet('s3://{bucket}/own-parquet.part_*')", "DuckDB, CSV": csv}
        for name, table in reads.items():
            verify(name, answer(duck.execute(CHECK.format(table)).fetchone()), expected)
        query("CREATE TABLE back LIKE t")
        query(f"LOAD DATA LINK store PREFIX '{bucket}/own-csv.part_' FORMAT CSV INTO TABLE back IGNORE 1 LINES")
        verify("LOAD DATA, CSV", answer(query(CHECK.format("back"))[0]), expected)
        arrow(endpoint, bucket, (key, secret), (args.rows, duck))
        delta(query, endpoint, bucket, (key, secret), duck)
        files, rows, size, seconds, _ = query(
            f"SELECT * FROM t WHERE site_id = 1 INTO LINK store '{bucket}/one' FORMAT PARQUET OVERWRITE ON")[0]
        print(f"one site: {rows:,} rows, {size:,} bytes in {seconds} s")
    finally:
        storno.stop()
        server.terminate()


def load_httpfs(duck):
    """DuckDB's own way, or the package that has the extension in it."""
    import duckdb
    try:
        duck.execute("INSTALL httpfs; LOAD httpfs")
    except duckdb.Error:
        import duckdb_extension_httpfs
        pattern = os.path.join(os.path.dirname(duckdb_extension_httpfs.__file__), "**", "httpfs.duckdb_extension")
        duck.execute(f"LOAD '{glob.glob(pattern, recursive=True)[0]}'")


def least(best, now):
    return now if best is None else (min(best[0], now[0]), max(best[1], now[1]) if now[1] else None)


def answer(row):
    return [str(value).rstrip("0").rstrip(".") if "." in str(value) else str(value) for value in row]


def verify(name, found, expected):
    print(f"read back by {name}: {'equal' if found == expected else f'DIFFERS {found} {expected}'}")
    assert found == expected, name


def arrow(endpoint, bucket, keys, table):
    import pyarrow.dataset as dataset
    from pyarrow import fs
    store = fs.S3FileSystem(access_key=keys[0], secret_key=keys[1], endpoint_override=endpoint[7:], scheme="http")
    files = [f.path for f in store.get_file_info(fs.FileSelector(bucket)) if "own-parquet.part_" in f.path]
    data = dataset.dataset(files, filesystem=store, format="parquet")
    rows, duck = table
    sums = data.to_table(columns=["id", "amount"]).to_pydict() if rows <= 1_000_000 else None
    assert data.count_rows() == rows
    if sums:
        assert sum(sums["id"]) == duck.execute("SELECT SUM(id) FROM t").fetchone()[0]
        assert sum(sums["amount"]) == duck.execute("SELECT SUM(amount) FROM t").fetchone()[0]
    print("read back by pyarrow, Parquet: equal")


def delta(query, endpoint, bucket, keys, duck):
    import deltalake
    query(f"SELECT * FROM t WHERE site_id < 3 INTO LINK store '{bucket}/delta' FORMAT DELTA PARTITION BY (site_id) "
          "OVERWRITE ON")
    options = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1],
               "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
    table = deltalake.DeltaTable(f"s3://{bucket}/delta", storage_options=options).to_pyarrow_table()
    rows, total = duck.execute("SELECT COUNT(*), SUM(id) FROM t WHERE site_id < 3").fetchone()
    assert (table.num_rows, sum(table["id"].to_pylist())) == (rows, total), "delta"
    print(f"read back by deltalake: {rows:,} rows, equal")


if __name__ == "__main__":
    main()
