"""Drivers with Python's database API: dbapi.py pymysql|mysqlclient|connector|connector_c|odbc"""

import importlib.metadata
import sys

from common import *

NAME = sys.argv[1]
MODULES = {"pymysql": "pymysql", "mysqlclient": "MySQLdb", "connector": "mysql.connector",
           "connector_c": "mysql.connector", "odbc": "pyodbc"}
driver = importlib.import_module(MODULES[NAME])
MARK = "?" if NAME == "odbc" else "%s"


def connect(password=PASSWORD):
    if NAME == "odbc":
        return driver.connect("DRIVER=%s;SERVER=%s;PORT=%d;UID=%s;PWD=%s;DATABASE=%s;CHARSET=utf8mb4" % (
            sys.argv[2], HOST, PORT, USER, password, DATABASE), autocommit=False)
    options = dict(host=HOST, port=PORT, user=USER, password=password, database=DATABASE, charset="utf8mb4")
    if NAME.startswith("connector"):
        options["use_pure"] = NAME == "connector"
    return driver.connect(**options)


def cursor():
    return connection.cursor()


def query(sql, parameters=()):
    c = cursor()
    c.execute(sql.replace("?", MARK), parameters) if parameters else c.execute(sql)
    rows = [tuple(row) for row in c.fetchall()] if c.description else None
    c.close()
    return rows


def number(error):
    if NAME == "odbc":
        # The text ends with the server's number: "... (1062) (SQLExecDirectW)".
        return int(str(error.args[1]).rsplit(" (", 2)[1].rstrip(")"))
    return getattr(error, "errno", None) or error.args[0]


def fails(sql, expected):
    try:
        query(sql)
        # Storno checks unique keys at COMMIT.
        connection.commit()
    except Exception as error:  # the C half of mysql-connector does not raise Python's kind at COMMIT
        return equal(number(error), expected, sql)
    raise AssertionError(sql + " was accepted")


def case_connect():
    global connection
    try:
        connect("wrong")
        raise AssertionError("a wrong password was accepted")
    except driver.Error as error:
        if NAME != "odbc":
            equal(number(error), 1045)
    connection = connect()
    equal(query("SELECT 1, DATABASE()"), [(1, DATABASE)])


def case_ddl():
    query(KINDS)
    query("ALTER TABLE kinds ADD COLUMN extra INT")
    equal([row[0] for row in query("SHOW COLUMNS FROM kinds")][-2:], ["nothing", "extra"])
    query("ALTER TABLE kinds DROP COLUMN extra")
    equal(query("SHOW TABLES"), [("kinds",)])


def case_types():
    row = (1, BIG, MONEY, 0.1, TEXT, BINARY, DAY, MOMENT, SPAN, 1, None)
    if NAME == "odbc":
        # It has no signed span of time, and leaves fractions of seconds out of parameters: these go as text.
        row = (1, str(BIG), MONEY, 0.1, TEXT, BINARY, DAY, str(MOMENT), "-26:03:04", 1, None)
    query("INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)
    connection.commit()
    columns = "*" if NAME != "odbc" else "id, big, money, half, label, raw, day, moment, CAST(span AS CHAR), flag, nothing"
    got = list(query("SELECT %s FROM kinds WHERE id = ?" % columns, (1,))[0])
    got[5] = bytes(got[5])
    if NAME == "odbc":
        got[1] = int(got[1]) % 2**64
    equal(got, [1, BIG, MONEY, 0.1, TEXT, BINARY, DAY, MOMENT, row[8], 1, None])


def case_batch():
    query("CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))")
    c = cursor()
    c.executemany("INSERT INTO batch VALUES (?, ?)".replace("?", MARK), [(i, "é%d" % i) for i in range(1000)])
    connection.commit()
    equal(query("SELECT COUNT(*), CAST(SUM(id) AS SIGNED), MAX(label) FROM batch"), [(1000, 499500, "é999")])


def case_prepared():
    sql = "SELECT label, id FROM batch WHERE id = ? OR label = ?"
    c = connection.cursor(prepared=True) if NAME.startswith("connector") else cursor()
    for i in (3, 4):
        c.execute(sql.replace("?", MARK), (i, "nothing"))
        rows = [tuple(row) for row in c.fetchall()]
        equal([(str(label), id) for label, id in rows], [("é%d" % i, i)])
    c.close()


def case_transaction():
    query("CREATE TABLE account (id INT PRIMARY KEY, amount INT)")
    query("INSERT INTO account VALUES (1, 10)")
    connection.commit()
    query("UPDATE account SET amount = 0 WHERE id = 1")
    connection.rollback()
    equal(query("SELECT amount FROM account"), [(10,)])
    query("UPDATE account SET amount = 7 WHERE id = 1")
    connection.commit()
    other = connect()
    c = other.cursor()
    c.execute("SELECT amount FROM account")
    equal([tuple(row) for row in c.fetchall()], [(7,)])
    other.close()


def case_errors():
    fails("INSERT INTO account VALUES (1, 1)", 1062)
    connection.rollback()
    fails("SELECT * FROM missing", 1146)
    fails("SELEC 1", 1064)
    fails("INSERT INTO account VALUES (NULL, 1)", 1048)
    connection.rollback()
    equal(query("SELECT 2"), [(2,)])


def case_large():
    for sql in numbers_sql("numbers"):
        query(sql)
    connection.commit()
    rows = query("SELECT id, label FROM numbers ORDER BY id")
    equal((len(rows), sum(row[0] for row in rows), rows[-1][1]), (ROWS, ROWS * (ROWS - 1) // 2, "row 99999"))
    query("CREATE TABLE blobs (id INT, body LONGTEXT)")
    body = "long é " * 200_000
    query("INSERT INTO blobs VALUES (?, ?)", (1, body))
    connection.commit()
    equal(query("SELECT body FROM blobs")[0][0] == body, True)


DISTRIBUTIONS = {"pymysql": "PyMySQL", "odbc": "pyodbc", "mysqlclient": "mysqlclient"}
run(importlib.metadata.version(DISTRIBUTIONS.get(NAME, "mysql-connector-python")), [(name, globals()["case_" + name]) for name in
                   ("connect", "ddl", "types", "batch", "prepared", "transaction", "errors", "large")])
