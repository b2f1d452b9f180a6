"""Asynchronous drivers: aio.py aiomysql|asyncmy"""

import asyncio
import importlib
import sys

from common import *

NAME = sys.argv[1]
driver = importlib.import_module(NAME)
errors = importlib.import_module("pymysql" if NAME == "aiomysql" else "asyncmy.errors")
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


def connect(password=PASSWORD):
    return loop.run_until_complete(driver.connect(host=HOST, port=PORT, user=USER, password=password, db=DATABASE,
                                                  charset="utf8mb4"))


async def ask(sql, parameters=None, many=False):
    async with connection.cursor() as cursor:
        await (cursor.executemany(sql, parameters) if many else cursor.execute(sql, parameters))
        return [tuple(row) for row in await cursor.fetchall()] if cursor.description else None


def query(sql, parameters=None, many=False):
    return loop.run_until_complete(ask(sql, parameters, many))


def commit():
    loop.run_until_complete(connection.commit())


def rollback():
    loop.run_until_complete(connection.rollback())


def fails(sql, expected):
    try:
        query(sql)
    except Exception as error:
        return equal(error.args[0], expected, sql)
    raise AssertionError(sql + " was accepted")


def case_connect():
    global connection
    try:
        connect("wrong")
        raise AssertionError("a wrong password was accepted")
    except AssertionError:
        raise
    except Exception as error:
        equal(error.args[0], 1045)
    connection = connect()
    equal(query("SELECT 1, DATABASE()"), [(1, DATABASE)])


def case_ddl():
    query(KINDS)
    equal([row[0] for row in query("SHOW COLUMNS FROM kinds")][-1], "nothing")


def case_types():
    row = (1, BIG, MONEY, 0.1, TEXT, BINARY, DAY, MOMENT, SPAN, 1, None)
    query("INSERT INTO kinds VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)", row)
    commit()
    equal(query("SELECT * FROM kinds WHERE id = %s", (1,)), [row])


def case_batch():
    query("CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))")
    query("INSERT INTO batch VALUES (%s, %s)", [(i, "é%d" % i) for i in range(1000)], many=True)
    commit()
    equal(query("SELECT COUNT(*), MAX(label) FROM batch"), [(1000, "é999")])


def case_prepared():
    for i in (3, 4):
        equal(query("SELECT label FROM batch WHERE id = %s", (i,)), [("é%d" % i,)])


def case_transaction():
    query("DELETE FROM batch")
    rollback()
    equal(query("SELECT COUNT(*) FROM batch"), [(1000,)])
    query("DELETE FROM batch WHERE id < 10")
    commit()
    equal(query("SELECT COUNT(*) FROM batch"), [(990,)])


def case_errors():
    fails("INSERT INTO batch VALUES (500, 'x')", 1062)
    rollback()
    fails("SELECT * FROM missing", 1146)
    fails("SELEC 1", 1064)
    equal(query("SELECT 2"), [(2,)])


def case_large():
    for sql in numbers_sql("numbers"):
        query(sql)
    commit()
    rows = query("SELECT id, label FROM numbers ORDER BY id")
    equal((len(rows), rows[-1]), (ROWS, (ROWS - 1, "row 99999")))


run(driver.__version__, [(name, globals()["case_" + name]) for name in
                         ("connect", "ddl", "types", "batch", "prepared", "transaction", "errors", "large")])
