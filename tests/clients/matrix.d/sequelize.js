// Sequelize, over mysql2 or mariadb: sequelize.js mysql|mariadb

'use strict';

const { assert, settings, TEXT, BINARY, SUM, numbersSql, versionOf, run } = require('./common');
const { Sequelize, DataTypes, Op, UniqueConstraintError, DatabaseError, fn, col } = require('sequelize');

const sequelize = new Sequelize(settings.database, settings.user, settings.password, {
  host: settings.host, port: settings.port, dialect: process.argv[2], logging: false,
  dialectOptions: process.argv[2] === 'mariadb' ? { allowPublicKeyRetrieval: true } : {},
});
const Item = sequelize.define('Item', {
  label: { type: DataTypes.STRING(100), allowNull: false, unique: true },
  money: DataTypes.DECIMAL(20, 6),
  moment: DataTypes.DATE(6),
  day: DataTypes.DATEONLY,
  raw: DataTypes.BLOB,
  flag: DataTypes.BOOLEAN,
  n: DataTypes.INTEGER,
}, { tableName: 'items', indexes: [{ fields: ['n'] }] });

async function refused(work, kind) {
  let failure = null;
  try { await work(); } catch (error) { failure = error; }
  assert.ok(failure instanceof kind, String(failure));
}

run(versionOf('sequelize'), {
  async connect() {
    await sequelize.authenticate();
  },
  async ddl() {
    await sequelize.sync();
    const columns = await sequelize.getQueryInterface().describeTable('items');
    assert.strictEqual(columns.label.allowNull, false);
    assert.strictEqual(columns.id.primaryKey, true);
    await sequelize.getQueryInterface().addColumn('items', 'extra', { type: DataTypes.INTEGER });
    const indexes = await sequelize.getQueryInterface().showIndex('items');
    assert.ok(indexes.some((index) => index.unique && index.fields[0].attribute === 'label'));
  },
  async types() {
    const moment = new Date(Date.UTC(2024, 1, 29, 23, 59, 58, 123));
    await Item.create({ label: TEXT, money: '-12345678901234.567891', moment, day: '2024-02-29', raw: BINARY, flag: true, n: 7 });
    const item = await Item.findOne({ where: { n: 7 } });
    assert.strictEqual(item.label, TEXT);
    assert.strictEqual(String(item.money), '-12345678901234.567891');
    assert.strictEqual(item.moment.getTime(), moment.getTime());
    assert.strictEqual(item.day, '2024-02-29');
    assert.ok(item.raw.equals(BINARY) && item.flag === true);
  },
  async batch() {
    await Item.bulkCreate(Array.from({ length: 1000 }, (_, i) => ({ label: `item ${i}`, n: i })));
    assert.strictEqual(await Item.sum('n'), 499507);
  },
  async prepared() {
    const items = await Item.findAll({ where: { n: { [Op.in]: [3, 4] } }, order: ['n'], limit: 5 });
    assert.deepStrictEqual(items.map((item) => item.label), ['item 3', 'item 4']);
    const { count, rows } = await Item.findAndCountAll({ where: { label: { [Op.like]: 'item 99%' } }, limit: 2 });
    assert.deepStrictEqual([count, rows.length], [11, 2]);
    const [group] = await Item.findAll({ attributes: [[fn('MAX', col('n')), 'm']], raw: true });
    assert.strictEqual(group.m, 999);
    const [named] = await sequelize.query('SELECT label FROM items WHERE n = $n AND label LIKE $l', {
      bind: { n: 8, l: 'item%' }, type: 'SELECT',
    });
    assert.strictEqual(named.label, 'item 8');
  },
  async transaction() {
    await sequelize.transaction(async (transaction) => {
      await Item.destroy({ where: {}, transaction });
      throw new Error('back');
    }).catch((error) => assert.strictEqual(error.message, 'back'));
    await sequelize.transaction((transaction) => Item.destroy({ where: { n: { [Op.lt]: 10 } }, transaction }));
    assert.strictEqual(await Item.count(), 990);
  },
  async errors() {
    await refused(() => Item.create({ label: 'item 500' }), UniqueConstraintError);
    await refused(() => sequelize.query('SELECT * FROM missing'), DatabaseError);
    await Item.upsert({ label: 'item 500', n: 5000 });
    assert.strictEqual((await Item.findOne({ where: { label: 'item 500' } })).n, 5000);
  },
  async large() {
    for (const sql of numbersSql('numbers')) await sequelize.query(sql);
    const rows = await sequelize.query('SELECT id FROM numbers', { type: 'SELECT' });
    assert.strictEqual(rows.reduce((sum, row) => sum + row.id, 0), SUM);
    await sequelize.close();
  },
});
