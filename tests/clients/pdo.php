<?php
// The scenario of README.md through PDO: pdo.php PORT native|emulated

declare(strict_types=1);

const COLUMNS = 25;

function cell(mixed $value): string
{
    if ($value === null) {
        return 'NULL';
    }
    if (is_float($value)) {
        $value = json_encode($value);
    }
    $text = (string) $value;
    // A DATETIME(6) without a fraction and a whole DOUBLE are shown short, as the other clients do.
    $text = preg_replace('/^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.000000$/', '$1', $text);
    if (preg_match('//u', $text) !== 1) {
        $text = '0x' . strtoupper(bin2hex($text));
    }
    return str_replace(["\\", "\n", "\t", "\r", "\0"], ['\\\\', '\\n', '\\t', '\\r', '\\0'], $text);
}

function show(string $step, iterable $rows): void
{
    foreach ($rows as $row) {
        echo $step, ': ', implode('|', array_map('cell', $row)), "\n";
    }
}

/** Row $i of the generated batch; the other clients compute the same. */
function bulk_row(int $i): array
{
    return [
        1 + $i % 7,
        sprintf('2025-01-%02d %02d:00:00', 1 + $i % 28, $i % 24),
        $i * 1000003,
        'www.example.com',
        '/p/' . ($i % 50),
        $i % 3 == 0 ? null : 'ref' . ($i % 3),
        null, null,
        ['US', 'DE', 'FR'][$i % 3],
        null,
        $i % 5 == 0 ? 'Zürich' : null,
        'Chrome', 'Linux', 'Desktop',
        $i % 4 == 0 ? 'newsletter' : null,
        null, null, null, null,
        1, $i % 2, $i % 2, $i % 4 == 1 ? 1 : 0, 1, $i % 100,
    ];
}

/** Executes with each value bound as what it is: an integer as an integer, the rest as strings. */
function execute(PDO $db, string $sql, array $parameters): PDOStatement
{
    $statement = $db->prepare($sql);
    foreach (array_values($parameters) as $index => $value) {
        $type = match (true) {
            $value === null => PDO::PARAM_NULL,
            is_int($value) => PDO::PARAM_INT,
            default => PDO::PARAM_STR,
        };
        $statement->bindValue($index + 1, is_float($value) ? (string) $value : $value, $type);
    }
    $statement->execute();
    return $statement;
}

function connect(string $dsn, bool $emulate): PDO
{
    return new PDO($dsn, 'root', '', [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_EMULATE_PREPARES => $emulate,
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM,
    ]);
}

$port = (int) $argv[1];
$emulate = $argv[2] === 'emulated';
$db = connect("mysql:host=127.0.0.1;port=$port;charset=utf8mb4", $emulate);
$query = function (string $step, string $sql, array $parameters = []) use (&$db): void {
    show($step, execute($db, $sql, $parameters)->fetchAll());
};

$db->exec('CREATE DATABASE clients');
$db->exec('USE clients');
$db->exec(file_get_contents(__DIR__ . '/schema.sql'));
$tuple = '(' . implode(',', array_fill(0, COLUMNS, '?')) . ')';
$insert = "INSERT INTO pageviews VALUES $tuple";

$rows = json_decode(file_get_contents(__DIR__ . '/rows.json'), true, 512, JSON_THROW_ON_ERROR);
foreach ($rows as $row) {
    show('inserted', [[execute($db, $insert, $row)->rowCount()]]);
}
$query('rows', 'SELECT * FROM pageviews ORDER BY client_id, site_id');

// As a queue job does it: 1,000 rows in one prepared statement, in a transaction.
$db->beginTransaction();
$batch = 'INSERT INTO pageviews VALUES ' . implode(',', array_fill(0, 1000, $tuple));
$values = array_merge(...array_map('bulk_row', range(0, 999)));
show('batch', [[execute($db, $batch, $values)->rowCount()]]);
$db->commit();

$totals = 'SELECT COUNT(*), SUM(pageviews), SUM(visits), SUM(uniques), SUM(bounces), SUM(exits), '
    . 'SUM(duration), 100.0 * SUM(bounces) / NULLIF(SUM(visits), 0) FROM pageviews '
    . 'WHERE hostname = ? AND timestamp < ?';
$period = ['www.example.com', '2025-02-01 00:00:00'];
$query('totals', $totals, $period);

$correction = array_merge(array_slice(bulk_row(1), 0, 19), [0, 0, 0, -1, 0, 42]);
show('inserted', [[execute($db, $insert, $correction)->rowCount()]]);
$query('corrected', $totals, $period);

$query('by site', 'SELECT site_id, COUNT(*), SUM(pageviews), SUM(bounces), AVG(duration), MIN(timestamp), '
    . 'MAX(pathname) FROM pageviews GROUP BY site_id ORDER BY site_id');
$query('top', 'SELECT pathname, SUM(pageviews) AS pv, SUM(duration) FROM pageviews WHERE site_id IN (?, ?) '
    . 'AND timestamp BETWEEN ? AND ? GROUP BY pathname ORDER BY pv DESC, pathname LIMIT ?',
    [1, 3, '2025-01-01', '2025-01-31 23:59:59', 5]);
$query('like', 'SELECT COUNT(*) FROM pageviews WHERE pathname LIKE ?', ['/p/4%']);
$query('days', "SELECT DATE_FORMAT(timestamp, '%Y-%m-%d') AS d, SUM(pageviews), COUNT(DISTINCT client_id) "
    . 'FROM pageviews WHERE utm_source = ? GROUP BY d ORDER BY d LIMIT 4', ['newsletter']);
$query('none', 'SELECT SUM(pageviews), COUNT(*) FROM pageviews WHERE hostname = ?', ['nowhere']);
$query('special', 'SELECT pathname, utm_campaign, utm_content FROM pageviews WHERE utm_source = ? AND '
    . 'referrer_pathname = ?', ["news'letter", '/a\\b']);

$db->exec('CREATE TABLE kinds (id INT NOT NULL, b BIGINT UNSIGNED, d DECIMAL(20,6), f DOUBLE, t DATETIME(6), '
    . 'y DATE, h TIME, s VARCHAR(20), r VARBINARY(20), o TINYINT(1)) '
    . 'DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin');
$kinds = 'INSERT INTO kinds VALUES (' . implode(',', array_fill(0, 10, '?')) . ')';
execute($db, $kinds, [1, '18446744073709551615', '12345678901234.567891', 0.1, '2025-01-02 03:04:05.678901',
    '2025-01-02', '-12:34:56', '🚀 ñ', 'bin', 1]);
execute($db, $kinds, array_merge([2], array_fill(0, 9, null)));
execute($db, $kinds, [3, 0, '-0.000001', -2.5, '2025-12-31 00:00:00', '1000-01-01', '00:00:00', '', '', 0]);
$query('kinds', 'SELECT * FROM kinds ORDER BY id');
$query('computed', 'SELECT COUNT(b), SUM(d), AVG(id), MAX(f), MIN(y), SUM(o), id / 2, id > 1 FROM kinds '
    . 'WHERE id = ? GROUP BY id', [1]);

foreach ([
    'unknown table' => 'SELECT * FROM nothing',
    'unknown column' => 'SELECT nothing FROM pageviews',
    'syntax' => 'SELEKT 1',
    'not null' => 'INSERT INTO kinds (id) VALUES (NULL)',
    'out of range' => 'INSERT INTO kinds (id, o) VALUES (4, 1000)',
    'too long' => "INSERT INTO kinds (id, s) VALUES (4, 'this is longer than twenty')",
] as $step => $sql) {
    try {
        $db->query($sql);
        echo "$step: accepted\n";
    } catch (PDOException $error) {
        echo "$step: {$error->errorInfo[1]}\n";
    }
}
$query('alive', 'SELECT COUNT(*) FROM kinds WHERE id < ?', [10]);

$db = null;
$db = connect("mysql:host=127.0.0.1;port=$port;dbname=clients;charset=utf8mb4", $emulate);
$query('again', 'SELECT COUNT(*), SUM(duration) FROM pageviews');
