"""Bounces and durations by negative rows: tracker.py [PORT]

A visit's first view says that it bounced. When a second one comes, a correction takes that back and adds the
seconds that passed. Nothing is updated, every sum is right, and what is sent twice counts once.

    pip install pymysql
"""

import hashlib
import sys
from datetime import datetime, timedelta

import pymysql

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 3306
TABLE = """
    CREATE TABLE pageviews (
      event_id  BINARY(16) NOT NULL,
      visit_id  BINARY(16) NOT NULL,
      site_id   INT UNSIGNED NOT NULL,
      timestamp DATETIME NOT NULL,
      pathname  VARCHAR(200) NOT NULL,
      pageviews TINYINT NOT NULL,
      visits    TINYINT NOT NULL,
      bounces   TINYINT NOT NULL,
      duration  INT NOT NULL,
      SORT KEY (site_id, timestamp),
      EVENT KEY (event_id) RETAIN 35 DAYS,
      CHECK (bounces BETWEEN -1 AND 1)
    )
"""
INSERT = "INSERT INTO pageviews VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
ORPHANS = """
    SELECT HEX(visit_id), pathname, SUM(bounces) AS bounces
    FROM pageviews WHERE bounces <> 0
    GROUP BY site_id, visit_id, pathname HAVING SUM(bounces) < 0
"""


def identifier(*parts):
    """The same parts give the same event, whoever sends it and however often."""
    return hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:16]


def view(visit, site, at, path, before=None):
    """The rows of one page view; `before` is the visit's view before it, as (time, path, was_first)."""
    rows = []
    if before:
        then, page, first = before
        # The correction repeats the dimensions and the time of the row that it corrects.
        event = identifier(visit, then, page, "corrected by", at)
        seconds = int((at - then).total_seconds())
        rows.append((event, visit, site, then, page, 0, 0, -1 if first else 0, seconds))
    new = 0 if before else 1
    rows.append((identifier(visit, at, path), visit, site, at, path, 1, new, new, 0))
    return rows


db = pymysql.connect(host="127.0.0.1", port=PORT, user="root", autocommit=True)
cursor = db.cursor()
cursor.execute("DROP DATABASE IF EXISTS corrections_py")
cursor.execute("CREATE DATABASE corrections_py")
cursor.execute("USE corrections_py")
cursor.execute(TABLE)

start = datetime(2026, 11, 2, 10, 0)
ada, bob, eve = (identifier(name) for name in ("ada", "bob", "eve"))
first = (start, "/", True)
batches = [
    view(ada, 1, start, "/"),
    view(ada, 1, start + timedelta(seconds=120), "/pricing", first),
    view(ada, 1, start + timedelta(seconds=150), "/buy", (start + timedelta(seconds=120), "/pricing", False)),
    view(bob, 1, start + timedelta(minutes=5), "/"),
    # The first view of this visit was lost on its way.
    view(eve, 1, start + timedelta(minutes=9), "/docs", (start + timedelta(minutes=7), "/", True))[:1],
]
for rows in batches:
    cursor.executemany(INSERT, rows)
    # The line was bad: all of it once more.
    cursor.executemany(INSERT, rows)

cursor.execute(
    "SELECT SUM(pageviews), SUM(visits), SUM(bounces), SUM(duration) FROM pageviews WHERE visit_id <> %s", [eve]
)
print("views %s, visits %s, bounces %s, seconds %s" % cursor.fetchone())
cursor.execute(
    "SELECT pathname, SUM(pageviews), SUM(duration) FROM pageviews GROUP BY pathname ORDER BY pathname"
)
for row in cursor.fetchall():
    print("%s: views %s, seconds %s" % row)
cursor.execute(ORPHANS)
print("orphans:", cursor.fetchall() == ((eve.hex().upper(), "/", -1),))
