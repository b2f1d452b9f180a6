// TypeORM, over mysql2.

'use strict';

const { assert, settings, TEXT, BINARY, SUM, numbersSql, versionOf, fails, run } = require('./common');
const { DataSource, EntitySchema, In } = require('typeorm');

const Item = new EntitySchema({
  name: 'Item',
  tableName: 'items',
  columns: {
    id: { type: Number, primary: true, generated: true },
    label: { type: 'varchar', length: 100, unique: true },
    money: { type: 'decimal', precision: 20, scale: 6, nullable: true },
    moment: { type: 'datetime', precision: 6, nullable: true },
    raw: { type: 'blob', nullable: true },
    flag: { type: 'boolean', default: false },
    n: { type: 'int', nullable: true },
  },
  indices: [{ name: 'by_n', columns: ['n'] }],
});
const source = new DataSource({
  type: 'mysql', host: settings.host, port: settings.port, username: settings.user, password: settings.password,
  database: settings.database, charset: 'utf8mb4', entities: [Item], synchronize: false, connectorPackage: 'mysql2',
});
const items = () => source.getRepository('Item');

run(versionOf('typeorm'), {
  async connect() {
    await source.initialize();
  },
  async ddl() {
    await source.synchronize();
    // A second time there must be nothing to do.
    const log = await source.driver.createSchemaBuilder().log();
    assert.deepStrictEqual(log.upQueries.map((query) => query.query), []);
    assert.ok(await source.createQueryRunner().hasTable('items'));
  },
  async types() {
    const moment = new Date(2024, 1, 29, 23, 59, 58, 123);
    const saved = await items().save({ label: TEXT, money: '-12345678901234.567891', moment, raw: BINARY, flag: true, n: 7 });
    const item = await items().findOneBy({ id: saved.id });
    assert.strictEqual(item.label, TEXT);
    assert.strictEqual(item.money, '-12345678901234.567891');
    assert.strictEqual(item.moment.getTime(), moment.getTime());
    assert.ok(item.raw.equals(BINARY) && Boolean(item.flag));
  },
  async batch() {
    await items().insert(Array.from({ length: 1000 }, (_, i) => ({ label: `item ${i}`, n: i })));
    assert.strictEqual(Number(await items().sum('n')), 499507);
  },
  async prepared() {
    const found = await items().find({ where: { n: In([3, 4]) }, order: { n: 'ASC' }, take: 5, skip: 0 });
    assert.deepStrictEqual(found.map((item) => item.label), ['item 3', 'item 4']);
    const count = await items().createQueryBuilder('i').where('i.label LIKE :l', { l: 'item 99%' }).getCount();
    assert.strictEqual(count, 11);
  },
  async transaction() {
    await source.transaction(async (manager) => {
      await manager.getRepository('Item').createQueryBuilder().delete().execute();
      throw new Error('back');
    }).catch((error) => assert.strictEqual(error.message, 'back'));
    await source.transaction((manager) => manager.getRepository('Item').delete({ n: In([0, 1]) }));
    assert.strictEqual(await items().count(), 999);
  },
  async errors() {
    await fails(() => items().insert({ label: 'item 500' }), 1062);
    await fails(() => source.query('SELECT * FROM missing'), 1146);
    await items().upsert({ label: 'item 500', n: 5000 }, ['label']);
    assert.strictEqual((await items().findOneBy({ label: 'item 500' })).n, 5000);
  },
  async large() {
    for (const sql of numbersSql('numbers')) await source.query(sql);
    const rows = await source.query('SELECT id FROM numbers');
    assert.strictEqual(rows.reduce((sum, row) => sum + row.id, 0), SUM);
    await source.destroy();
  },
});
