// Bounces and durations by negative rows: node tracker.js [PORT]
//
// A visit's first view says that it bounced. When a second one comes, a correction takes that back and adds the
// seconds that passed. Nothing is updated, every sum is right, and what is sent twice counts once.
//
//     npm install mysql2

const { createHash } = require('crypto');
const mysql = require('mysql2/promise');

const TABLE = `
  CREATE TABLE pageviews (
    event_id  BINARY(16) NOT NULL,
    visit_id  BINARY(16) NOT NULL,
    site_id   INT UNSIGNED NOT NULL,
    timestamp DATETIME NOT NULL,
    pathname  VARCHAR(200) NOT NULL,
    pageviews TINYINT NOT NULL,
    visits    TINYINT NOT NULL,
    bounces   TINYINT NOT NULL,
    duration  INT NOT NULL,
    SORT KEY (site_id, timestamp),
    EVENT KEY (event_id) RETAIN 35 DAYS,
    CHECK (bounces BETWEEN -1 AND 1)
  )`;

// The same parts give the same event, whoever sends it and however often.
const identifier = (...parts) => createHash('sha256').update(parts.join('|')).digest().subarray(0, 16);
const sqlTime = (seconds) => new Date(Date.UTC(2026, 10, 2, 10) + seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');

// The rows of one page view; `before` is the visit's view before it.
function view(visit, at, path, before) {
  const id = identifier(visit);
  const rows = [];
  if (before) {
    // The correction repeats the dimensions and the time of the row that it corrects.
    const event = identifier(visit, before.at, before.path, 'corrected by', at);
    rows.push([event, id, 1, sqlTime(before.at), before.path, 0, 0, before.first ? -1 : 0, at - before.at]);
  }
  const first = before ? 0 : 1;
  rows.push([identifier(visit, at, path), id, 1, sqlTime(at), path, 1, first, first, 0]);
  return rows;
}

async function main() {
  const db = await mysql.createConnection({ host: '127.0.0.1', port: Number(process.argv[2] || 3306), user: 'root' });
  for (const sql of ['DROP DATABASE IF EXISTS corrections_js', 'CREATE DATABASE corrections_js', 'USE corrections_js', TABLE]) {
    await db.query(sql);
  }
  const batches = [
    view('ada', 0, '/'),
    view('ada', 120, '/pricing', { at: 0, path: '/', first: true }),
    view('bob', 300, '/'),
    // The first view of this visit was lost on its way.
    view('eve', 540, '/docs', { at: 420, path: '/', first: true }).slice(0, 1),
  ];
  for (const rows of batches) {
    // The line was bad: all of it twice.
    await db.query('INSERT INTO pageviews VALUES ?', [rows]);
    await db.query('INSERT INTO pageviews VALUES ?', [rows]);
  }
  const [[sums]] = await db.query(
    'SELECT SUM(pageviews) AS views, SUM(visits) AS visits, SUM(bounces) AS bounces, SUM(duration) AS seconds ' +
    'FROM pageviews WHERE visit_id <> ?', [identifier('eve')]);
  console.log(`views ${sums.views}, visits ${sums.visits}, bounces ${sums.bounces}, seconds ${sums.seconds}`);
  const [orphans] = await db.query(
    'SELECT visit_id, pathname FROM pageviews WHERE bounces <> 0 ' +
    'GROUP BY site_id, visit_id, pathname HAVING SUM(bounces) < 0');
  console.log('orphans:', orphans.length === 1 && orphans[0].visit_id.equals(identifier('eve')));
  await db.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
