// Drivers of Node: drivers.js mysql2|mariadb [compress]

'use strict';

const { assert, settings, KINDS, KIND, ROWS, SUM, numbersSql, versionOf, fails, run } = require('./common');

const NAME = process.argv[2];
const driver = NAME === 'mysql2' ? require('mysql2/promise') : require('mariadb');
const shared = {
  ...settings, dateStrings: true, supportBigNumbers: true, bigNumberStrings: true, charset: 'utf8mb4',
  compress: process.argv[3] === 'compress',
};
// mariadb's driver asks for the server's RSA key, unless it is told that it may.
if (NAME === 'mariadb') Object.assign(shared, { allowPublicKeyRetrieval: true, insertIdAsNumber: true });
let connection;

const rowsOf = (result) => (NAME === 'mysql2' ? result[0] : result);
const query = async (sql, values) => rowsOf(await connection.query(sql, values));
const execute = async (sql, values) => rowsOf(await connection.execute(sql, values));
const plain = (row) => Object.values(row).map((value) => (typeof value === 'bigint' ? String(value) : value));

run(versionOf(NAME), {
  async connect() {
    await fails(() => driver.createConnection({ ...shared, password: 'wrong' }), 1045);
    connection = await driver.createConnection(shared);
    assert.deepStrictEqual(plain((await query('SELECT 1 AS a, DATABASE() AS b'))[0]).map(String), ['1', settings.database]);
  },
  async ddl() {
    await query(KINDS);
    const columns = await query('SHOW COLUMNS FROM kinds');
    assert.strictEqual(columns[10].Field, 'nothing');
  },
  async types() {
    await execute(`INSERT INTO kinds VALUES (${KIND.map(() => '?').join(',')})`, KIND);
    for (const ask of [query, execute]) {
      const row = plain((await ask('SELECT * FROM kinds WHERE id = ?', [1]))[0]);
      assert.deepStrictEqual(row, KIND);
    }
  },
  async batch() {
    await query('CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))');
    const rows = Array.from({ length: 1000 }, (_, i) => [i, `é${i}`]);
    if (NAME === 'mysql2') await query('INSERT INTO batch VALUES ?', [rows]);
    else await connection.batch('INSERT INTO batch VALUES (?, ?)', rows);
    const [row] = await query('SELECT COUNT(*) AS n, MAX(label) AS m FROM batch');
    assert.deepStrictEqual(plain(row).map(String), ['1000', 'é999']);
  },
  async prepared() {
    for (const id of [3, 4]) {
      const rows = await execute('SELECT label FROM batch WHERE id = ?', [id]);
      assert.strictEqual(rows[0].label, `é${id}`);
    }
  },
  async transaction() {
    await connection.beginTransaction();
    await query('DELETE FROM batch');
    await connection.rollback();
    assert.strictEqual(Number((await query('SELECT COUNT(*) AS n FROM batch'))[0].n), 1000);
    await connection.beginTransaction();
    await query('DELETE FROM batch WHERE id < 10');
    await connection.commit();
    assert.strictEqual(Number((await query('SELECT COUNT(*) AS n FROM batch'))[0].n), 990);
    // mariadb refuses changeUser with servers other than MariaDB.
    if (NAME === 'mysql2') {
      await connection.changeUser({ user: settings.user, password: settings.password, database: settings.database });
    } else {
      await connection.reset();
    }
    await connection.ping();
  },
  async errors() {
    await fails(() => query("INSERT INTO batch VALUES (500, 'x')"), 1062);
    await fails(() => query('SELECT * FROM missing'), 1146);
    await fails(() => query('SELEC 1'), 1064);
    await fails(() => execute('SELECT * FROM missing'), 1146);
    assert.strictEqual(Number((await query('SELECT 2 AS n'))[0].n), 2);
  },
  async large() {
    for (const sql of numbersSql('numbers')) await query(sql);
    const rows = await execute('SELECT id, label FROM numbers');
    assert.strictEqual(rows.length, ROWS);
    assert.strictEqual(rows.reduce((sum, row) => sum + row.id, 0), SUM);
    await query('CREATE TABLE blobs (id INT, body LONGTEXT)');
    const body = 'long é '.repeat(200000);
    await execute('INSERT INTO blobs VALUES (?, ?)', [1, body]);
    assert.ok((await query('SELECT body FROM blobs'))[0].body === body);
    await connection.end();
  },
});
