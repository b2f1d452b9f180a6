// What the Node clients of the matrix share.

'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');

const settings = {
  host: process.env.MATRIX_HOST, port: Number(process.env.MATRIX_PORT), user: process.env.MATRIX_USER,
  password: process.env.MATRIX_PASSWORD, database: process.env.MATRIX_DATABASE,
};
const TEXT = 'Zürich 🚀 \'quoted\' \\ "x"\n\t%_';
const BINARY = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const KINDS = `CREATE TABLE kinds (id INT PRIMARY KEY, big BIGINT UNSIGNED, money DECIMAL(20,6), half DOUBLE,
  label VARCHAR(100), raw VARBINARY(300), day DATE, moment DATETIME(6), span TIME, flag TINYINT(1), nothing INT)`;
const KIND = [1, '18446744073709551615', '-12345678901234.567891', 0.1, TEXT, BINARY, '2024-02-29',
  '2024-02-29 23:59:58.123456', '-26:03:04', 1, null];
const ROWS = 100000;
const SUM = ROWS * (ROWS - 1) / 2;

function* numbersSql(table) {
  yield `CREATE TABLE ${table} (id INT PRIMARY KEY, label VARCHAR(40))`;
  const rows = Array.from({ length: 1000 }, (_, i) => `(${i},'row ${i}')`);
  yield `INSERT INTO ${table} VALUES ${rows.join(',')}`;
  for (let step = 1000; step < ROWS; step *= 2) {
    yield `INSERT INTO ${table} SELECT id + ${step}, CONCAT('row ', id + ${step}) FROM ${table} WHERE id < ${ROWS - step}`;
  }
}

// Not by require: packages need not export their manifest.
function versionOf(name) {
  return JSON.parse(fs.readFileSync(path.join(process.env.NODE_PATH, name, 'package.json'), 'utf8')).version;
}

async function fails(work, expected) {
  let failure = null;
  try { await work(); } catch (error) { failure = error; }
  assert.ok(failure, `${expected} did not happen`);
  const inner = failure.original || failure.driverError || failure.cause || failure;
  assert.strictEqual(inner.errno ?? failure.errno, expected, failure.message);
}

async function run(version, cases) {
  console.log(`version ${version}`);
  let failed = false;
  for (const name of ['connect', 'ddl', 'types', 'batch', 'prepared', 'transaction', 'errors', 'large']) {
    if (!cases[name]) continue;
    try {
      await cases[name]();
      console.log(`pass ${name}`);
    } catch (error) {
      failed = true;
      console.log(`fail ${name}: ${String(error.message).replace(/\n/g, ' ').slice(0, 400)}`);
    }
  }
  process.exit(failed ? 1 : 0);
}

module.exports = { assert, settings, TEXT, BINARY, KINDS, KIND, ROWS, SUM, numbersSql, versionOf, fails, run };
