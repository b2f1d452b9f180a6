"""SQLAlchemy: alchemy.py pymysql|mysqldb|mysqlconnector|aiomysql (the driver below it)"""

import sys

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from common import *

engine = sa.create_engine(sa.URL.create("mysql+" + sys.argv[1], USER, PASSWORD, HOST, PORT, DATABASE,
                                        query={"charset": "utf8mb4"}))


class Base(DeclarativeBase):
    pass


class Kind(Base):
    __tablename__ = "kinds"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    money: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(20, 6))
    half: Mapped[float] = mapped_column(sa.Double())
    label: Mapped[str] = mapped_column(sa.String(100), index=True)
    raw: Mapped[bytes] = mapped_column(sa.VARBINARY(300))
    day: Mapped[datetime.date]
    moment: Mapped[datetime.datetime] = mapped_column(sa.dialects.mysql.DATETIME(fsp=6))
    flag: Mapped[bool]
    nothing: Mapped[int | None]


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(sa.String(50), unique=True)


def case_connect():
    with engine.connect() as connection:
        equal(connection.execute(sa.text("SELECT 1")).scalar(), 1)


def case_ddl():
    Base.metadata.create_all(engine)
    inspector = sa.inspect(engine)
    equal(sorted(inspector.get_table_names()), ["items", "kinds"])
    equal([c["name"] for c in inspector.get_columns("items")], ["id", "label"])
    equal(inspector.get_pk_constraint("kinds")["constrained_columns"], ["id"])
    equal(inspector.get_indexes("kinds")[0]["column_names"], ["label"])
    reflected = sa.Table("kinds", sa.MetaData(), autoload_with=engine)
    equal(str(reflected.c.money.type), "DECIMAL(20, 6)")
    Base.metadata.create_all(engine)


def case_types():
    with Session(engine) as session:
        session.add(Kind(id=1, money=MONEY, half=0.1, label=TEXT, raw=BINARY, day=DAY, moment=MOMENT, flag=True))
        session.commit()
    with Session(engine) as session:
        kind = session.get(Kind, 1)
        got = (kind.money, kind.half, kind.label, kind.raw, kind.day, kind.moment, kind.flag, kind.nothing)
        equal(got, (MONEY, 0.1, TEXT, BINARY, DAY, MOMENT, True, None))


def case_batch():
    with Session(engine) as session:
        session.add_all(Item(label="item %d" % i) for i in range(1000))
        session.commit()
        equal(session.scalar(sa.select(sa.func.count()).select_from(Item)), 1000)
        equal(session.scalar(sa.select(Item.id).where(Item.label == "item 7")) > 0, True)


def case_prepared():
    with Session(engine) as session:
        query = sa.select(Item.label).where(Item.label.in_(["item 3", "item 4", "none"])).order_by(Item.id)
        equal(session.scalars(query).all(), ["item 3", "item 4"])
        page = sa.select(Item.label).order_by(Item.id).limit(2).offset(10)
        equal(session.scalars(page).all(), ["item 10", "item 11"])


def case_transaction():
    with Session(engine) as session:
        session.execute(sa.delete(Item))
        session.rollback()
        equal(session.query(Item).count(), 1000)
        with session.begin_nested() as nested:
            session.execute(sa.delete(Item).where(Item.label == "item 1"))
            nested.rollback()
        session.execute(sa.update(Item).where(Item.label == "item 2").values(label="two"))
        session.commit()
        equal(session.query(Item).filter(Item.label.in_(["item 1", "two"])).count(), 2)


def case_errors():
    with Session(engine) as session:
        session.add(Item(label="two"))
        try:
            session.commit()
            raise AssertionError("a duplicate was accepted")
        except sa.exc.IntegrityError:
            session.rollback()
        try:
            session.execute(sa.text("SELECT * FROM missing"))
            raise AssertionError("a missing table was accepted")
        except sa.exc.ProgrammingError:
            session.rollback()
        equal(session.scalar(sa.text("SELECT 2")), 2)


def case_large():
    with engine.begin() as connection:
        for sql in numbers_sql("numbers"):
            connection.execute(sa.text(sql))
    with engine.connect().execution_options(stream_results=True) as connection:
        total = sum(row.id for row in connection.execute(sa.text("SELECT id, label FROM numbers")))
        equal(total, ROWS * (ROWS - 1) // 2)


run(sa.__version__, [(name, globals()["case_" + name]) for name in
                     ("connect", "ddl", "types", "batch", "prepared", "transaction", "errors", "large")])
