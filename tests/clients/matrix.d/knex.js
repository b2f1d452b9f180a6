// Knex, over mysql2.

'use strict';

const { assert, settings, TEXT, BINARY, ROWS, SUM, numbersSql, versionOf, fails, run } = require('./common');
const knex = require('knex')({ client: 'mysql2', connection: { ...settings, charset: 'utf8mb4' } });

run(versionOf('knex'), {
  async connect() {
    assert.strictEqual((await knex.raw('SELECT 1 AS a'))[0][0].a, 1);
  },
  async ddl() {
    await knex.schema.createTable('items', (table) => {
      table.increments('id');
      table.string('label', 100).notNullable().unique();
      table.decimal('money', 20, 6);
      table.datetime('moment', { precision: 6 });
      table.binary('raw');
      table.boolean('flag').defaultTo(false);
      table.integer('n').index();
    });
    assert.ok(await knex.schema.hasTable('items'));
    assert.ok(await knex.schema.hasColumn('items', 'label'));
    await knex.schema.alterTable('items', (table) => table.integer('extra').nullable());
    assert.strictEqual((await knex('items').columnInfo()).extra.nullable, true);
  },
  async types() {
    const [id] = await knex('items').insert({
      label: TEXT, money: '-12345678901234.567891', moment: '2024-02-29 23:59:58.123456', raw: BINARY, flag: true, n: 7,
    });
    const row = await knex('items').where({ id }).first();
    assert.strictEqual(row.label, TEXT);
    assert.strictEqual(row.money, '-12345678901234.567891');
    assert.ok(row.raw.equals(BINARY) && row.flag === 1 && row.extra === null);
    assert.strictEqual(row.moment.getMilliseconds(), 123);
  },
  async batch() {
    const rows = Array.from({ length: 1000 }, (_, i) => ({ label: `item ${i}`, n: i }));
    await knex.batchInsert('items', rows, 250);
    assert.strictEqual(Number((await knex('items').sum({ total: 'n' }))[0].total), 499507);
  },
  async prepared() {
    const rows = await knex('items').select('label').whereIn('n', [3, 4]).orderBy('n').limit(5).offset(0);
    assert.deepStrictEqual(rows.map((row) => row.label), ['item 3', 'item 4']);
    const groups = await knex('items').select(knex.raw('n % 2 AS odd')).count({ c: '*' }).groupBy('odd').orderBy('odd');
    assert.deepStrictEqual(groups.map((row) => row.c), [500, 501]);
  },
  async transaction() {
    await knex.transaction(async (trx) => {
      await trx('items').del();
      throw new Error('back');
    }).catch((error) => assert.strictEqual(error.message, 'back'));
    await knex.transaction((trx) => trx('items').where('n', '<', 10).del());
    assert.strictEqual((await knex('items').count({ c: '*' }))[0].c, 990);
  },
  async errors() {
    await fails(() => knex('items').insert({ label: 'item 500' }), 1062);
    await fails(() => knex('missing').select(), 1146);
    await knex('items').insert({ label: 'item 500', n: 5000 }).onConflict('label').merge();
    assert.strictEqual((await knex('items').where('label', 'item 500').first()).n, 5000);
  },
  async large() {
    for (const sql of numbersSql('numbers')) await knex.raw(sql);
    let sum = 0;
    for await (const row of knex('numbers').select('id').stream()) sum += row.id;
    assert.strictEqual(sum, SUM);
    await knex.destroy();
  },
});
