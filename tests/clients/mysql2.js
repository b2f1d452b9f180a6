// The scenario of README.md through Node's mysql2: mysql2.js PORT
// `query` goes over the text protocol, `execute` over the binary one; both are used.

'use strict';

const fs = require('fs');
const path = require('path');
const mysql = require('mysql2/promise');

const COLUMNS = 25;
const OPTIONS = {
  host: '127.0.0.1', port: Number(process.argv[2]), user: 'root', charset: 'utf8mb4',
  rowsAsArray: true, dateStrings: true, supportBigNumbers: true, bigNumberStrings: true,
};

function cell(value) {
  if (value === null) return 'NULL';
  if (Buffer.isBuffer(value)) value = value.toString('utf8');
  const text = String(value).replace(/^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.000000$/, '$1');
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/\t/g, '\\t')
    .replace(/\r/g, '\\r').replace(/\0/g, '\\0');
}

function show(step, rows) {
  for (const row of rows) console.log(step + ': ' + row.map(cell).join('|'));
}

const two = (number) => String(number).padStart(2, '0');

// Row i of the generated batch; the other clients compute the same.
function bulkRow(i) {
  return [
    1 + i % 7,
    `2025-01-${two(1 + i % 28)} ${two(i % 24)}:00:00`,
    i * 1000003,
    'www.example.com',
    `/p/${i % 50}`,
    i % 3 === 0 ? null : `ref${i % 3}`,
    null, null,
    ['US', 'DE', 'FR'][i % 3],
    null,
    i % 5 === 0 ? 'Zürich' : null,
    'Chrome', 'Linux', 'Desktop',
    i % 4 === 0 ? 'newsletter' : null,
    null, null, null, null,
    1, i % 2, i % 2, i % 4 === 1 ? 1 : 0, 1, i % 100,
  ];
}

async function main() {
  let connection = await mysql.createConnection(OPTIONS);
  const query = async (step, sql, parameters = []) => {
    const [rows] = await connection.execute(sql, parameters);
    show(step, rows);
  };

  await connection.query('CREATE DATABASE clients');
  await connection.changeUser({ database: 'clients' });
  await connection.query(fs.readFileSync(path.join(__dirname, 'schema.sql'), 'utf8'));
  const insert = `INSERT INTO pageviews VALUES (${Array(COLUMNS).fill('?').join(',')})`;

  const rows = JSON.parse(fs.readFileSync(path.join(__dirname, 'rows.json'), 'utf8'));
  for (const row of rows) {
    const [result] = await connection.execute(insert, row);
    show('inserted', [[result.affectedRows]]);
  }
  await query('rows', 'SELECT * FROM pageviews ORDER BY client_id, site_id');

  await connection.beginTransaction();
  const batch = Array.from({ length: 1000 }, (_, i) => bulkRow(i));
  const [result] = await connection.query('INSERT INTO pageviews VALUES ?', [batch]);
  show('batch', [[result.affectedRows]]);
  await connection.commit();

  const totals = 'SELECT COUNT(*), SUM(pageviews), SUM(visits), SUM(uniques), SUM(bounces), SUM(exits), '
    + 'SUM(duration), 100.0 * SUM(bounces) / NULLIF(SUM(visits), 0) FROM pageviews '
    + 'WHERE hostname = ? AND timestamp < ?';
  const period = ['www.example.com', '2025-02-01 00:00:00'];
  await query('totals', totals, period);

  const correction = bulkRow(1).slice(0, 19).concat([0, 0, 0, -1, 0, 42]);
  const [corrected] = await connection.execute(insert, correction);
  show('inserted', [[corrected.affectedRows]]);
  await query('corrected', totals, period);

  await query('by site', 'SELECT site_id, COUNT(*), SUM(pageviews), SUM(bounces), AVG(duration), '
    + 'MIN(timestamp), MAX(pathname) FROM pageviews GROUP BY site_id ORDER BY site_id');
  // mysql2 sends JavaScript numbers as DOUBLE; LIMIT takes a string of digits.
  await query('top', 'SELECT pathname, SUM(pageviews) AS pv, SUM(duration) FROM pageviews WHERE site_id IN (?, ?) '
    + 'AND timestamp BETWEEN ? AND ? GROUP BY pathname ORDER BY pv DESC, pathname LIMIT ?',
    [1, 3, '2025-01-01', '2025-01-31 23:59:59', '5']);
  await query('like', 'SELECT COUNT(*) FROM pageviews WHERE pathname LIKE ?', ['/p/4%']);
  await query('days', "SELECT DATE_FORMAT(timestamp, '%Y-%m-%d') AS d, SUM(pageviews), "
    + 'COUNT(DISTINCT client_id) FROM pageviews WHERE utm_source = ? GROUP BY d ORDER BY d LIMIT 4', ['newsletter']);
  await query('none', 'SELECT SUM(pageviews), COUNT(*) FROM pageviews WHERE hostname = ?', ['nowhere']);
  await query('special', 'SELECT pathname, utm_campaign, utm_content FROM pageviews WHERE utm_source = ? AND '
    + 'referrer_pathname = ?', ["news'letter", '/a\\b']);

  await connection.query('CREATE TABLE kinds (id INT NOT NULL, b BIGINT UNSIGNED, d DECIMAL(20,6), f DOUBLE, '
    + 't DATETIME(6), y DATE, h TIME, s VARCHAR(20), r VARBINARY(20), o TINYINT(1)) '
    + 'DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin');
  const kinds = `INSERT INTO kinds VALUES (${Array(10).fill('?').join(',')})`;
  await connection.execute(kinds, [1, '18446744073709551615', '12345678901234.567891', 0.1,
    '2025-01-02 03:04:05.678901', '2025-01-02', '-12:34:56', '🚀 ñ', Buffer.from('bin'), true]);
  await connection.execute(kinds, [2, ...Array(9).fill(null)]);
  await connection.query(kinds, [3, 0, '-0.000001', -2.5, '2025-12-31 00:00:00', '1000-01-01', '00:00:00',
    '', '', false]);
  await query('kinds', 'SELECT * FROM kinds ORDER BY id');
  await query('computed', 'SELECT COUNT(b), SUM(d), AVG(id), MAX(f), MIN(y), SUM(o), id / 2, id > 1 FROM kinds '
    + 'WHERE id = ? GROUP BY id', [1]);

  for (const [step, sql] of [
    ['unknown table', 'SELECT * FROM nothing'],
    ['unknown column', 'SELECT nothing FROM pageviews'],
    ['syntax', 'SELEKT 1'],
    ['not null', 'INSERT INTO kinds (id) VALUES (NULL)'],
    ['out of range', 'INSERT INTO kinds (id, o) VALUES (4, 1000)'],
    ['too long', "INSERT INTO kinds (id, s) VALUES (4, 'this is longer than twenty')"],
  ]) {
    try {
      await connection.query(sql);
      console.log(`${step}: accepted`);
    } catch (error) {
      console.log(`${step}: ${error.errno}`);
    }
  }
  await query('alive', 'SELECT COUNT(*) FROM kinds WHERE id < ?', [10]);
  await connection.end();

  connection = await mysql.createConnection({ ...OPTIONS, database: 'clients' });
  const [again] = await connection.query('SELECT COUNT(*), SUM(duration) FROM pageviews');
  show('again', again);
  await connection.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
