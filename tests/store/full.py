"""What an admin does with a store, and what may go wrong meanwhile; see `run`."""

import argparse
import hashlib
import json
import os
import random
import subprocess
import tempfile
import threading
import time

import pymysql

from garage import BUCKET, Garage, free_port

SUMS = "SELECT COUNT(*), SUM(id), SUM(d), COUNT(s), COUNT(DISTINCT s), MIN(at), MAX(at) FROM {}"


class Storno:
    def __init__(self, program, directory, garage, **settings):
        self.program, self.directory, self.garage = program, directory, garage
        self.settings = {f"STORNO_{name.upper()}": value for name, value in settings.items()}
        self.start()

    def start(self):
        self.port = free_port()
        environment = dict(os.environ, STORNO_STORE_ENDPOINTS=self.garage.endpoint, **self.settings)
        with open(self.directory + ".log", "a") as log:
            self.process = subprocess.Popen([self.program, "serve", "--data-dir", self.directory, "--listen",
                                             f"127.0.0.1:{self.port}"], env=environment, stdout=log, stderr=log)
        self.cursor = self.connect()

    def connect(self):
        for _ in range(300):
            try:
                connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True)
                return connection.cursor()
            except pymysql.err.OperationalError:
                time.sleep(0.1)
        raise SystemExit("the server does not answer")

    def ask(self, sql, cursor=None):
        cursor = cursor or self.cursor
        cursor.execute(sql)
        return cursor.fetchall()

    def link(self, name="store", secret=None):
        self.ask(f"""CREATE OR REPLACE LINK {name} AS S3
            CONFIG '{{"endpoint_url": "{self.garage.endpoint}", "region": "garage"}}'
            CREDENTIALS '{{"aws_access_key_id": "{self.garage.key}",
                           "aws_secret_access_key": "{secret or self.garage.secret}"}}'""")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()


def same(what, expected, found):
    if expected != found:
        raise SystemExit(f"{what}: expected {expected}, found {found}")


def done(what):
    print(f"ok: {what}", flush=True)


def fill(storno, rows):
    ask = storno.ask
    ask("CREATE DATABASE d")
    ask("USE d")
    ask("CREATE TABLE digits (n INT)")
    ask("INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
    ask("CREATE TABLE t (id BIGINT NOT NULL, s VARCHAR(60), d DECIMAL(12,3), at DATETIME, SHARD KEY (id), SORT KEY (id))")
    places = len(str(rows - 1))
    number = " + ".join(f"{10 ** at} * d{at}.n" for at in range(places))
    tables = ", ".join(f"digits d{at}" for at in range(places))
    ask(f"""INSERT INTO t SELECT id, IF(id % 7 = 0, NULL, CONCAT('/a/path/', MD5(id), '/of-some-length')),
        id * 31 % 1000003 / 8, '2026-01-01' + INTERVAL id SECOND FROM (SELECT {number} AS id FROM {tables}) x
        WHERE id < {rows}""")


def whole(garage, prefix, rows):
    """Whether there is a manifest; all that it names must be there then, as it was written."""
    text = garage.read(prefix + ".manifest")
    if text is None:
        return False
    objects, count = garage.objects(prefix + "."), 0
    for entry in json.loads(text)["entries"]:
        name = entry["url"].split(f"{BUCKET}/", 1)[1]
        body = garage.read(name)
        same(name, True, body is not None)
        same(f"length of {name}", entry["meta"]["content_length"], len(body))
        same(f"SHA-256 of {name}", entry["meta"]["sha256"], hashlib.sha256(body).hexdigest())
        count += entry["meta"]["record_count"]
        objects.pop(name)
    objects.pop(prefix + ".manifest")
    same("files that the manifest does not name", {}, objects)
    same("rows of the manifest", rows, count)
    return True


def content(garage, prefix):
    found = garage.objects(prefix + ".part_")
    return [hashlib.sha256(garage.read(name)).hexdigest() for name in sorted(found)]


def round_trips(storno, garage, rows):
    storno.link()
    expected = storno.ask(SUMS.format("t"))
    for form, more, back in [
        ("PARQUET", "MAXFILESIZE 8 MB", "FORMAT PARQUET"),
        ("CSV", "HEADER COMPRESSION gzip MAXFILESIZE 8 MB", "FORMAT CSV"),
        ("TEXT", "COMPRESSION zstd MAXFILESIZE 8 MB", ""),
    ]:
        prefix = f"trip/{form.lower()}"
        files, count, *_ = storno.ask(f"SELECT * FROM t INTO LINK store '{BUCKET}/{prefix}' FORMAT {form} {more}")[0]
        same("rows exported", rows, count)
        same(f"{form} in several files", True, files > 1)
        same("manifest", True, whole(garage, prefix, rows))
        same("uploads left open", [], garage.uploads(prefix))
        storno.ask("DROP TABLE IF EXISTS back")
        storno.ask("CREATE TABLE back LIKE t")
        header = "IGNORE 1 LINES" if "HEADER" in more else ""
        storno.ask(f"LOAD DATA LINK store MANIFEST '{BUCKET}/{prefix}.manifest' {back} INTO TABLE back {header}")
        same(f"{form} read back", expected, storno.ask(SUMS.format("back")))
        try:
            storno.ask(f"SELECT * FROM t INTO LINK store '{BUCKET}/{prefix}' FORMAT {form} {more}")
            raise SystemExit("an export over another one")
        except pymysql.err.MySQLError as error:
            same("over another export", 1086, error.args[0])
        before = content(garage, prefix)
        storno.ask(f"SELECT * FROM t INTO LINK store '{BUCKET}/{prefix}' FORMAT {form} {more} OVERWRITE ON")
        same("manifest", True, whole(garage, prefix, rows))
        same("content when written again", before, content(garage, prefix))
        done(f"{form}: {files} files, whole, read back equal, the same when written again")
    found = storno.ask(f"SELECT COUNT(*), SUM(id) FROM FILES('{BUCKET}/trip/parquet.manifest', files => MANIFEST, "
                       "format => 'parquet', link => store) f")
    same("FILES()", storno.ask("SELECT COUNT(*), SUM(id) FROM t"), found)
    done("FILES() over Parquet")


def refused_keys(storno, garage):
    storno.link("wrong", "0" * 64)
    try:
        storno.ask(f"SELECT * FROM t INTO LINK wrong '{BUCKET}/wrong/x' FORMAT PARQUET")
        raise SystemExit("an export with a wrong key")
    except pymysql.err.MySQLError as error:
        same("secrets in errors", False, "000000" in str(error))
        same("files of a wrong key", {}, garage.objects("wrong/"))
        done(f"a wrong key: {error.args[0]}")


def faulty(storno, garage, rows, runs, seed):
    """Exports during each of which something fails at a random moment."""
    choose, tally = random.Random(seed), {}
    for run in range(runs):
        fault = ["kill store", "pause store", "deny", "quota", "kill export", "kill storno"][run % 6]
        prefix = f"faults/{run}"
        form = choose.choice(["PARQUET", "CSV COMPRESSION gzip", "TEXT"])
        other = storno.connect()
        storno.ask("USE d", other)
        result = {}

        def export():
            try:
                result["row"] = storno.ask(
                    f"SELECT * FROM t INTO LINK store '{BUCKET}/{prefix}' FORMAT {form} MAXFILESIZE 6 MB", other)
            except pymysql.err.MySQLError as error:
                result["error"] = error

        thread = threading.Thread(target=export)
        thread.start()
        time.sleep(choose.random() * 2)
        if fault == "kill store":
            garage.kill()
            time.sleep(choose.random() * 3)
            garage.start()
        elif fault == "pause store":
            garage.pause(choose.random() * 5)
        elif fault == "deny":
            garage.deny()
        elif fault == "quota":
            used = sum(garage.objects("").values())
            garage.limit(str(used + choose.randrange(1, 20_000_000)))
        elif fault == "kill export":
            for job in storno.ask("SHOW EXPORTS"):
                if prefix in str(job) and "running" in str(job).lower():
                    try:
                        storno.ask(f"KILL EXPORT {job[0]}")
                    except pymysql.err.MySQLError:
                        pass
        else:
            storno.kill()
        thread.join()
        if fault == "deny":
            garage.allow()
        elif fault == "quota":
            garage.limit("none")
        elif fault == "kill storno":
            storno.start()
            storno.ask("USE d")
        is_whole = whole(garage, prefix, rows)
        if "row" in result:
            same(f"{fault}: the manifest", True, is_whole)
        key = (fault, "whole" if is_whole else "failed")
        tally[key] = tally.get(key, 0) + 1
        if not is_whole and fault not in ("kill storno", "deny"):
            # What could not be removed is named.
            left = garage.objects(prefix + ".")
            named = [name for name in left if os.path.basename(name) not in str(result.get("error"))]
            same(f"{fault}: files left ({result})", [], named)
        storno.ask(f"SELECT * FROM t INTO LINK store '{BUCKET}/{prefix}' FORMAT {form} MAXFILESIZE 6 MB OVERWRITE ON")
        same(f"after {fault}", True, whole(garage, prefix, rows))
        garage.remove(prefix)
    for (fault, end), count in sorted(tally.items()):
        print(f"    {fault}: {count} {end}")
    done(f"{runs} exports with faults: a manifest where, and only where, all is whole; then written again as a whole")


def checksums(storno):
    """Per table its rows and a sum over them."""
    found = []
    for (table,) in storno.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = 'd' ORDER BY 1"):
        columns = storno.ask(f"SELECT column_name FROM information_schema.columns WHERE table_schema = 'd' AND "
                             f"table_name = '{table}' ORDER BY ordinal_position")
        row = ", ".join(f"IFNULL(`{name}`, 'NULL')" for name, in columns)
        found += [(table, storno.ask(f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', {row}))) FROM d.`{table}`"))]
    return found


def backups(storno, garage, directory):
    first = storno.ask(f"BACKUP DATABASE ALL TO LINK store '{BUCKET}/backup'")[0]
    rows = storno.ask("SELECT COUNT(*) FROM t")[0][0]
    storno.ask(f"INSERT INTO t SELECT id + {rows}, s, d, at FROM t WHERE id % 100 = 0")
    second = storno.ask(f"BACKUP DATABASE ALL TO LINK store '{BUCKET}/backup'")[0]
    expected = checksums(storno)
    with open(os.path.join(directory, "keys.json"), "w") as file:
        json.dump({"aws_access_key_id": garage.key, "aws_secret_access_key": garage.secret}, file)
    restored = os.path.join(directory, "restored")
    subprocess.run([storno.program, "restore", f"s3://{BUCKET}/backup", "--data-dir", restored, "--store-credentials",
                    os.path.join(directory, "keys.json"), "--store-config",
                    json.dumps({"endpoint_url": garage.endpoint, "region": "garage"})], check=True,
                   env=dict(os.environ, STORNO_STORE_ENDPOINTS=garage.endpoint), stdout=subprocess.DEVNULL)
    other = Storno(storno.program, restored, garage)
    same("checksums of what was restored", expected, checksums(other))
    other.stop()
    done(f"backup of {first[2]:,} bytes; the next one, after 1 % more rows, sent {second[4]:,}; restored equal")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--storno", required=True)
    parser.add_argument("--garage", required=True)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        garage = Garage(options.garage, os.path.join(directory, "garage"))
        storno = Storno(options.storno, os.path.join(directory, "data"), garage)
        try:
            fill(storno, options.rows)
            round_trips(storno, garage, options.rows)
            refused_keys(storno, garage)
            faulty(storno, garage, options.rows, options.runs, options.seed)
            backups(storno, garage, directory)
        finally:
            storno.kill()
            garage.kill()


if __name__ == "__main__":
    main()
