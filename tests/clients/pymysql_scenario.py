"""The scenario of README.md through PyMySQL: pymysql_scenario.py PORT"""

import datetime
import decimal
import json
import os
import sys

import pymysql

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = 25


def cell(value):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        value = value.decode("utf-8") if is_utf8(value) else "0x" + value.hex().upper()
    if isinstance(value, datetime.datetime):
        value = value.strftime("%04d-%%m-%%d %%H:%%M:%%S" % value.year) + (
            ".%06d" % value.microsecond if value.microsecond else "")
    elif isinstance(value, datetime.timedelta):
        seconds = int(value.total_seconds())
        sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
        value = "%s%02d:%02d:%02d" % (sign, seconds // 3600, seconds // 60 % 60, seconds % 60)
    elif isinstance(value, float):
        value = repr(value)[:-2] if repr(value).endswith(".0") else repr(value)
    elif isinstance(value, decimal.Decimal):
        value = format(value, "f")
    text = str(value)
    for raw, shown in (("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r"), ("\0", "\\0")):
        text = text.replace(raw, shown)
    return text


def is_utf8(value):
    try:
        value.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def show(step, rows):
    for row in rows:
        print(step + ": " + "|".join(cell(value) for value in row))


def bulk_row(i):
    """Row i of the generated batch; the other clients compute the same."""
    return (
        1 + i % 7,
        "2025-01-%02d %02d:00:00" % (1 + i % 28, i % 24),
        i * 1000003,
        "www.example.com",
        "/p/%d" % (i % 50),
        None if i % 3 == 0 else "ref%d" % (i % 3),
        None, None,
        ("US", "DE", "FR")[i % 3],
        None,
        "Zürich" if i % 5 == 0 else None,
        "Chrome", "Linux", "Desktop",
        "newsletter" if i % 4 == 0 else None,
        None, None, None, None,
        1, i % 2, i % 2, 1 if i % 4 == 1 else 0, 1, i % 100,
    )


def main():
    port = int(sys.argv[1])
    # autocommit=False is PyMySQL's default: every change needs a commit.
    connection = pymysql.connect(host="127.0.0.1", port=port, user="root", charset="utf8mb4")
    cursor = connection.cursor()

    def query(step, sql, parameters=None):
        cursor.execute(sql, parameters)
        show(step, cursor.fetchall())

    cursor.execute("CREATE DATABASE clients")
    connection.select_db("clients")
    with open(os.path.join(HERE, "schema.sql"), encoding="utf-8") as file:
        cursor.execute(file.read())
    insert = "INSERT INTO pageviews VALUES (" + ",".join(["%s"] * COLUMNS) + ")"

    with open(os.path.join(HERE, "rows.json"), encoding="utf-8") as file:
        rows = json.load(file)
    for row in rows:
        show("inserted", [[cursor.execute(insert, row)]])
    connection.commit()
    query("rows", "SELECT * FROM pageviews ORDER BY client_id, site_id")

    # executemany makes one statement of many rows.
    show("batch", [[cursor.executemany(insert, [bulk_row(i) for i in range(1000)])]])
    connection.commit()

    totals = ("SELECT COUNT(*), SUM(pageviews), SUM(visits), SUM(uniques), SUM(bounces), SUM(exits), "
              "SUM(duration), 100.0 * SUM(bounces) / NULLIF(SUM(visits), 0) FROM pageviews "
              "WHERE hostname = %s AND timestamp < %s")
    period = ("www.example.com", "2025-02-01 00:00:00")
    query("totals", totals, period)

    correction = list(bulk_row(1))
    correction[19:25] = [0, 0, 0, -1, 0, 42]
    show("inserted", [[cursor.execute(insert, correction)]])
    connection.commit()
    query("corrected", totals, period)

    query("by site", "SELECT site_id, COUNT(*), SUM(pageviews), SUM(bounces), AVG(duration), MIN(timestamp), "
          "MAX(pathname) FROM pageviews GROUP BY site_id ORDER BY site_id")
    query("top", "SELECT pathname, SUM(pageviews) AS pv, SUM(duration) FROM pageviews WHERE site_id IN (%s, %s) "
          "AND timestamp BETWEEN %s AND %s GROUP BY pathname ORDER BY pv DESC, pathname LIMIT %s",
          (1, 3, "2025-01-01", "2025-01-31 23:59:59", 5))
    query("like", "SELECT COUNT(*) FROM pageviews WHERE pathname LIKE %s", ("/p/4%",))
    query("days", "SELECT DATE_FORMAT(timestamp, '%%Y-%%m-%%d') AS d, SUM(pageviews), COUNT(DISTINCT client_id) "
          "FROM pageviews WHERE utm_source = %s GROUP BY d ORDER BY d LIMIT 4", ("newsletter",))
    query("none", "SELECT SUM(pageviews), COUNT(*) FROM pageviews WHERE hostname = %s", ("nowhere",))
    query("special", "SELECT pathname, utm_campaign, utm_content FROM pageviews WHERE utm_source = %s AND "
          "referrer_pathname = %s", ("news'letter", "/a\\b"))

    cursor.execute("CREATE TABLE kinds (id INT NOT NULL, b BIGINT UNSIGNED, d DECIMAL(20,6), f DOUBLE, t DATETIME(6), "
                   "y DATE, h TIME, s VARCHAR(20), r VARBINARY(20), o TINYINT(1)) "
                   "DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin")
    kinds = "INSERT INTO kinds VALUES (" + ",".join(["%s"] * 10) + ")"
    cursor.execute(kinds, (1, "18446744073709551615", "12345678901234.567891", 0.1, "2025-01-02 03:04:05.678901",
                           "2025-01-02", "-12:34:56", "🚀 ñ", "bin", 1))
    cursor.execute(kinds, (2,) + (None,) * 9)
    cursor.execute(kinds, (3, 0, "-0.000001", -2.5, "2025-12-31 00:00:00", "1000-01-01", "00:00:00", "", "", 0))
    connection.commit()
    query("kinds", "SELECT * FROM kinds ORDER BY id")
    query("computed", "SELECT COUNT(b), SUM(d), AVG(id), MAX(f), MIN(y), SUM(o), id / 2, id > 1 FROM kinds "
          "WHERE id = %s GROUP BY id", (1,))

    for step, sql in (
        ("unknown table", "SELECT * FROM nothing"),
        ("unknown column", "SELECT nothing FROM pageviews"),
        ("syntax", "SELEKT 1"),
        ("not null", "INSERT INTO kinds (id) VALUES (NULL)"),
        ("out of range", "INSERT INTO kinds (id, o) VALUES (4, 1000)"),
        ("too long", "INSERT INTO kinds (id, s) VALUES (4, 'this is longer than twenty')"),
    ):
        try:
            cursor.execute(sql)
            print(step + ": accepted")
        except pymysql.MySQLError as error:
            print("%s: %d" % (step, error.args[0]))
    query("alive", "SELECT COUNT(*) FROM kinds WHERE id < %s", (10,))
    connection.close()

    connection = pymysql.connect(host="127.0.0.1", port=port, user="root", database="clients",
                                 autocommit=True, cursorclass=pymysql.cursors.SSCursor)
    cursor = connection.cursor()
    query("again", "SELECT COUNT(*), SUM(duration) FROM pageviews")
    connection.close()


main()
