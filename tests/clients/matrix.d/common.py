"""What the Python clients of the matrix share: settings, cases, and the lines that are printed."""

import datetime
import decimal
import os
import sys

HOST = os.environ["MATRIX_HOST"]
PORT = int(os.environ["MATRIX_PORT"])
USER = os.environ["MATRIX_USER"]
PASSWORD = os.environ["MATRIX_PASSWORD"]
DATABASE = os.environ["MATRIX_DATABASE"]

TEXT = "Zürich 🚀 'quoted' \\ \"x\"\n\t%_"
BINARY = bytes(range(256))
BIG = 2**64 - 1
MONEY = decimal.Decimal("-12345678901234.567891")
DAY = datetime.date(2024, 2, 29)
MOMENT = datetime.datetime(2024, 2, 29, 23, 59, 58, 123456)
SPAN = -datetime.timedelta(hours=26, minutes=3, seconds=4)

KINDS = """CREATE TABLE kinds (id INT PRIMARY KEY, big BIGINT UNSIGNED, money DECIMAL(20,6), half DOUBLE,
    label VARCHAR(100), raw VARBINARY(300), day DATE, moment DATETIME(6), span TIME, flag TINYINT(1),
    nothing INT)"""
ROWS = 100_000


def equal(got, expected, what=""):
    if got != expected:
        raise AssertionError("%s: got %r, expected %r" % (what, got, expected))


def run(version, cases):
    """Runs (name, function) pairs; each prints one line."""
    print("version " + version, flush=True)
    failed = False
    for name, case in cases:
        try:
            case()
            print("pass " + name, flush=True)
        except BaseException as error:  # a client may raise anything
            failed = True
            print("fail %s: %s: %s" % (name, type(error).__name__, str(error).replace("\n", " ")[:400]), flush=True)
    sys.exit(1 if failed else 0)


def numbers_sql(table, rows=ROWS):
    """Statements that fill a table with 0 .. rows - 1, without a client's help."""
    yield "CREATE TABLE %s (id INT PRIMARY KEY, label VARCHAR(40))" % table
    yield "INSERT INTO %s VALUES %s" % (table, ",".join("(%d, 'row %d')" % (i, i) for i in range(1000)))
    step = 1000
    while step < rows:
        yield "INSERT INTO %s SELECT id + %d, CONCAT('row ', id + %d) FROM %s WHERE id < %d" % (
            table, step, step, table, rows - step)
        step *= 2
