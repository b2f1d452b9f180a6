<?php
// PDO: pdo.php native|emulated

declare(strict_types=1);

require __DIR__ . '/common.php';

$native = $argv[1] === 'native';
$connect = fn (string $with) => new PDO("mysql:host=$host;port=$port;dbname=$database;charset=utf8mb4", $user, $with, [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => !$native,
    PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM, PDO::ATTR_STRINGIFY_FETCHES => false,
]);
$fails = function (callable $work, int $expected): void {
    try {
        $work();
    } catch (PDOException $error) {
        same($error->errorInfo[1] ?? $error->getCode(), $expected);
        return;
    }
    throw new RuntimeException("$expected did not happen");
};
$pdo = null;
run(phpversion('pdo_mysql'), [
    'connect' => function () use (&$pdo, $connect, $fails, $password, $database) {
        $fails(fn () => $connect('wrong'), 1045);
        $pdo = $connect($password);
        same($pdo->query('SELECT DATABASE()')->fetchColumn(), $database);
    },
    'ddl' => function () use (&$pdo) {
        $pdo->exec(KINDS);
        same(array_column($pdo->query('SHOW COLUMNS FROM kinds')->fetchAll(), 0)[10], 'nothing');
    },
    'types' => function () use (&$pdo, $kind) {
        $pdo->prepare('INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?,?)')->execute($kind);
        $statement = $pdo->prepare('SELECT * FROM kinds WHERE id = ?');
        $statement->execute([1]);
        same($statement->fetch(), $kind);
        same($statement->getColumnMeta(2)['native_type'], 'NEWDECIMAL');
    },
    'batch' => function () use (&$pdo) {
        $pdo->exec('CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))');
        $pdo->beginTransaction();
        $insert = $pdo->prepare('INSERT INTO batch VALUES (?, ?)');
        for ($i = 0; $i < 1000; $i++) {
            $insert->execute([$i, "é$i"]);
        }
        $pdo->commit();
        same($pdo->query('SELECT COUNT(*), MAX(label) FROM batch')->fetch(), [1000, 'é999']);
    },
    'prepared' => function () use (&$pdo) {
        $statement = $pdo->prepare('SELECT label FROM batch WHERE id = :id LIMIT :n');
        foreach ([3, 4] as $id) {
            $statement->bindValue('id', $id, PDO::PARAM_INT);
            $statement->bindValue('n', 1, PDO::PARAM_INT);
            $statement->execute();
            same($statement->fetchAll(), [["é$id"]]);
        }
    },
    'transaction' => function () use (&$pdo) {
        $pdo->beginTransaction();
        $pdo->exec('DELETE FROM batch');
        same($pdo->inTransaction(), true);
        $pdo->rollBack();
        same($pdo->query('SELECT COUNT(*) FROM batch')->fetchColumn(), 1000);
        $pdo->beginTransaction();
        same($pdo->exec('DELETE FROM batch WHERE id < 10'), 10);
        $pdo->commit();
        same($pdo->inTransaction(), false);
        same($pdo->query('SELECT COUNT(*) FROM batch')->fetchColumn(), 990);
    },
    'errors' => function () use (&$pdo, $fails) {
        $fails(fn () => $pdo->exec("INSERT INTO batch VALUES (500, 'x')"), 1062);
        $fails(fn () => $pdo->query('SELECT * FROM missing'), 1146);
        $fails(fn () => $pdo->prepare('SELEC ?')->execute([1]), 1064);
        same($pdo->query('SELECT 2')->fetchColumn(), 2);
    },
    'large' => function () use (&$pdo) {
        foreach (numbers_sql('numbers') as $sql) {
            $pdo->exec($sql);
        }
        $pdo->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, false);
        $sum = 0;
        foreach ($pdo->query('SELECT id, label FROM numbers') as $row) {
            $sum += $row[0];
        }
        same($sum, SUM);
        $pdo->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, true);
        $pdo->exec('CREATE TABLE blobs (id INT, body LONGTEXT)');
        $body = str_repeat('long é ', 200000);
        $pdo->prepare('INSERT INTO blobs VALUES (?, ?)')->execute([1, $body]);
        same($pdo->query('SELECT body FROM blobs')->fetchColumn() === $body, true);
    },
]);
