"""LOAD DATA LOCAL, several statements in one text, and KILL through PyMySQL: load.py PORT"""

import os
import sys
import threading
import time

import pymysql

HERE = os.path.dirname(os.path.abspath(__file__))
LOAD = (
    "LOAD DATA LOCAL INFILE '%s' INTO TABLE pages FIELDS TERMINATED BY ',' ENCLOSED BY '\"' "
    "IGNORE 1 LINES (site, at, @path, views) SET path = LOWER(@path)"
) % os.path.join(HERE, "pages.csv")


def connect(**options):
    return pymysql.connect(
        host="127.0.0.1", port=int(sys.argv[1]), user="root", password="", autocommit=True,
        local_infile=True, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, **options)


def show(step, rows):
    for row in rows:
        print(step + ": " + "|".join("NULL" if v is None else str(v).replace("\n", "\\n") for v in row))


db = connect()
cursor = db.cursor()
cursor.execute("SET GLOBAL local_infile = 1")
cursor.execute("CREATE DATABASE loading")
cursor.execute("USE loading")
cursor.execute(
    "CREATE TABLE pages (site INT NOT NULL, at DATETIME NULL, path VARCHAR(20) NULL, "
    "views INT NOT NULL) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin")
print("loaded:", cursor.execute(LOAD), "warnings:", cursor._result.warning_count)
print("info:", cursor._result.message.decode())
cursor.execute("SHOW WARNINGS")
show("warning", [(level, code) for level, code, _ in cursor.fetchall()])
cursor.execute("SELECT * FROM pages ORDER BY site, at")
show("row", cursor.fetchall())
try:
    cursor.execute(LOAD.replace("pages.csv", "no such file"))
except pymysql.err.OperationalError as error:
    print("missing file:", error.args[0])
cursor.execute("SELECT COUNT(*) FROM pages")
show("alive", cursor.fetchall())

cursor.execute("SELECT 'one;' AS a; INSERT INTO pages VALUES (9, NULL, ';', 1); SELECT COUNT(*) FROM pages;")
while True:
    show("several", cursor.fetchall() or [("affected", cursor.rowcount)])
    if not cursor.nextset():
        break
try:
    cursor.execute("SELECT 1; SELECT * FROM missing; INSERT INTO pages VALUES (10, NULL, '', 1)")
    show("first", cursor.fetchall())
    cursor.nextset()
except pymysql.err.ProgrammingError as error:
    print("second:", error.args[0])
cursor.execute("SELECT COUNT(*) FROM pages WHERE site = 10")
show("third was not run", cursor.fetchall())

# A statement that would run for minutes, ended from another connection; then the connection itself.
LONG = ("SELECT COUNT(*) FROM information_schema.COLUMNS a, information_schema.COLUMNS b, "
        "information_schema.COLUMNS c, information_schema.COLUMNS d WHERE a.TABLE_NAME < b.COLUMN_NAME "
        "AND c.TABLE_NAME > d.COLUMN_NAME AND a.COLUMN_TYPE <> c.COLUMN_TYPE")
other = connect()


def kill_soon(kill):
    time.sleep(0.5)
    kill()


killer = threading.Thread(target=kill_soon, args=(
    lambda: other.cursor().execute("KILL QUERY %d" % db.thread_id()),))
killer.start()
started = time.time()
try:
    cursor.execute(LONG)
    print("not killed")
except pymysql.err.OperationalError as error:
    print("killed query:", error.args[0], "soon:", time.time() - started < 5)
killer.join()
cursor.execute("SELECT 1")
show("lives on", cursor.fetchall())
killer = threading.Thread(target=kill_soon, args=(lambda: other.kill(db.thread_id()),))
killer.start()
try:
    cursor.execute(LONG)
    print("not killed")
except pymysql.err.OperationalError as error:
    print("killed connection:", error.args[0] in (1317, 2013))
killer.join()
try:
    other.cursor().execute("KILL 4000000000")
except pymysql.err.MySQLError as error:
    print("no such connection:", error.args[0])
