"""Django's ORM and migrations' schema editor, over mysqlclient or PyMySQL."""

import sys

from common import *

if sys.argv[1] == "pymysql":
    import pymysql

    # Django asks for mysqlclient's version.
    pymysql.version_info = (2, 2, 99, "final", 0)
    pymysql.install_as_MySQLdb()

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.mysql", "NAME": DATABASE, "USER": USER, "PASSWORD": PASSWORD,
                           "HOST": HOST, "PORT": str(PORT), "OPTIONS": {"charset": "utf8mb4"}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=False)
django.setup()

from django.db import IntegrityError, ProgrammingError, connection, models, transaction


class Kind(models.Model):
    money = models.DecimalField(max_digits=20, decimal_places=6)
    half = models.FloatField()
    label = models.CharField(max_length=100)
    raw = models.BinaryField()
    day = models.DateField(db_index=True)
    moment = models.DateTimeField()
    flag = models.BooleanField()
    nothing = models.IntegerField(null=True)

    class Meta:
        app_label = "matrix"
        db_table = "kinds"


class Item(models.Model):
    label = models.CharField(max_length=50, unique=True)
    price = models.IntegerField(default=0)

    class Meta:
        app_label = "matrix"
        db_table = "items"


def case_connect():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        equal(cursor.fetchone(), (1,))


def case_ddl():
    with connection.schema_editor() as editor:
        editor.create_model(Kind)
        editor.create_model(Item)
    equal(sorted(connection.introspection.table_names()), ["items", "kinds"])
    field = models.IntegerField(null=True)
    field.set_attributes_from_name("extra")
    with connection.schema_editor() as editor:
        editor.add_field(Item, field)
    with connection.cursor() as cursor:
        names = [c.name for c in connection.introspection.get_table_description(cursor, "items")]
        equal(names, ["id", "label", "price", "extra"])
        constraints = connection.introspection.get_constraints(cursor, "items")
        equal(any(c["unique"] and c["columns"] == ["label"] for c in constraints.values()), True)


def case_types():
    Kind.objects.create(money=MONEY, half=0.1, label=TEXT, raw=BINARY, day=DAY, moment=MOMENT, flag=True)
    kind = Kind.objects.get(day__year=2024)
    got = (kind.money, kind.half, kind.label, bytes(kind.raw), kind.day, kind.moment, kind.flag, kind.nothing)
    equal(got, (MONEY, 0.1, TEXT, BINARY, DAY, MOMENT, True, None))


def case_batch():
    Item.objects.bulk_create(Item(label="item %d" % i, price=i) for i in range(1000))
    equal(Item.objects.aggregate(n=models.Count("id"), total=models.Sum("price")), {"n": 1000, "total": 499500})


def case_prepared():
    equal(list(Item.objects.filter(price__in=[3, 4]).order_by("id").values_list("label", flat=True)), ["item 3", "item 4"])
    equal(Item.objects.filter(label__startswith="item 99").count(), 11)
    equal(Item.objects.order_by("-price")[5:7][0].price, 994)
    equal(Kind.objects.dates("day", "month")[0], datetime.date(2024, 2, 1))


def case_transaction():
    try:
        with transaction.atomic():
            Item.objects.all().delete()
            raise KeyError
    except KeyError:
        pass
    equal(Item.objects.count(), 1000)
    with transaction.atomic():
        try:
            with transaction.atomic():
                Item.objects.filter(price=1).delete()
                raise KeyError
        except KeyError:
            pass
        Item.objects.filter(price=2).update(label=models.functions.Upper("label"))
    equal(Item.objects.filter(label="ITEM 2").exists() and Item.objects.filter(price=1).exists(), True)


def case_errors():
    for work, expected in ((lambda: Item.objects.create(label="item 5"), IntegrityError),
                           (lambda: list(Item.objects.raw("SELECT * FROM missing")), ProgrammingError)):
        try:
            with transaction.atomic():
                work()
            raise AssertionError("was accepted")
        except expected:
            pass
    equal(Item.objects.count(), 1000)


def case_large():
    with connection.cursor() as cursor:
        for sql in numbers_sql("numbers"):
            cursor.execute(sql)
        cursor.execute("SELECT id FROM numbers")
        equal(sum(row[0] for row in cursor.fetchall()), ROWS * (ROWS - 1) // 2)


run(django.get_version(), [(name, globals()["case_" + name]) for name in
                           ("connect", "ddl", "types", "batch", "prepared", "transaction", "errors", "large")])
