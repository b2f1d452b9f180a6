"""A sender that may send twice and counts once: resend.py [PORT]

It sends batches of page views and, like a tracker on a bad line, does not learn what became of every
third one: it sends that again, after others. The table's event key makes the second time a no-op.

    pip install pymysql
"""

import sys
import uuid

import pymysql

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 3306
TABLE = """
    CREATE TABLE views (
      event_id  BINARY(16) NOT NULL,
      site_id   INT UNSIGNED NOT NULL,
      timestamp DATETIME NOT NULL,
      pathname  VARCHAR(200) NOT NULL,
      views     INT NOT NULL,
      SORT KEY (site_id, timestamp),
      EVENT KEY (event_id) RETAIN 14 DAYS
    )
"""


def batch(number):
    """The identifier is made once, where the event happens, and goes with it on every attempt."""
    return [
        (uuid.uuid4().bytes, 1, "2026-11-02 09:%02d:00" % number, "/page/%d" % i, 1)
        for i in range(100)
    ]


def send(cursor, rows):
    """Returns how many of the rows were new."""
    return cursor.executemany("INSERT INTO views VALUES (%s, %s, %s, %s, %s)", rows)


db = pymysql.connect(host="127.0.0.1", port=PORT, user="root", autocommit=True)
cursor = db.cursor()
cursor.execute("DROP DATABASE IF EXISTS resend")
cursor.execute("CREATE DATABASE resend")
cursor.execute("USE resend")
cursor.execute(TABLE)

in_doubt = []
for number in range(30):
    rows = batch(number)
    send(cursor, rows)
    if number % 3 == 0:
        in_doubt.append(rows)

# Half of a batch may have new events behind it: rows are recognised one by one.
new = sum(send(cursor, rows[:50] + batch(59)[:5]) for rows in in_doubt)
print("new among those sent again:", new)
cursor.execute("SELECT COUNT(*), SUM(views) FROM views")
print("rows and views:", *cursor.fetchone())
cursor.execute("SHOW GLOBAL STATUS LIKE 'Storno_rows_resent'")
print("left out:", cursor.fetchone()[1])
