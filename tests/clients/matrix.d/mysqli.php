<?php
// mysqli, compressed when asked: mysqli.php [compress]

declare(strict_types=1);

require __DIR__ . '/common.php';

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$connect = function (string $with) use ($host, $port, $user, $database, $argv): mysqli {
    $link = mysqli_init();
    $flags = ($argv[1] ?? '') === 'compress' ? MYSQLI_CLIENT_COMPRESS : 0;
    $link->real_connect($host, $user, $with, $database, (int) $port, null, $flags);
    $link->set_charset('utf8mb4');
    return $link;
};
$fails = function (callable $work, int $expected): void {
    try {
        $work();
    } catch (mysqli_sql_exception $error) {
        same($error->getCode(), $expected);
        return;
    }
    throw new RuntimeException("$expected did not happen");
};
$link = null;
run(phpversion('mysqli') . ' ' . mysqli_get_client_info(), [
    'connect' => function () use (&$link, $connect, $fails, $password, $database) {
        $fails(fn () => $connect('wrong'), 1045);
        $link = $connect($password);
        same($link->query('SELECT DATABASE()')->fetch_row(), [$database]);
    },
    'ddl' => function () use (&$link) {
        $link->query(KINDS);
        same($link->query('SHOW COLUMNS FROM kinds')->num_rows, 11);
    },
    'types' => function () use (&$link, $kind) {
        $insert = $link->prepare('INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?,?)');
        $insert->bind_param('issdsssssii', ...$kind);
        $insert->execute();
        $select = $link->prepare('SELECT * FROM kinds WHERE id = ?');
        $select->execute([1]);
        same($select->get_result()->fetch_row(), $kind);
        $text = array_map(fn ($value) => $value === null ? null : (string) $value, $kind);
        same($link->query('SELECT * FROM kinds')->fetch_row(), $text);
    },
    'batch' => function () use (&$link) {
        $link->query('CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))');
        $rows = array_map(fn ($i) => "($i, '" . $link->real_escape_string("é$i") . "')", range(0, 999));
        $link->query('INSERT INTO batch VALUES ' . implode(',', $rows));
        same($link->affected_rows, 1000);
        same($link->info, 'Records: 1000  Duplicates: 0  Warnings: 0');
    },
    'prepared' => function () use (&$link) {
        $select = $link->prepare('SELECT label FROM batch WHERE id = ?');
        foreach ([3, 4] as $id) {
            $select->bind_param('i', $id);
            $select->execute();
            $select->bind_result($label);
            $select->fetch();
            same($label, "é$id");
            $select->free_result();
        }
        // A cursor on the server.
        $select = $link->prepare('SELECT id FROM batch ORDER BY id');
        $select->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
        $select->execute();
        $select->bind_result($id);
        for ($sum = 0; $select->fetch(); $sum += $id);
        same($sum, 499500);
        $select->close();
        $link->multi_query('SELECT 1; SELECT 2');
        $link->store_result();
        $link->next_result();
        same($link->store_result()->fetch_row(), ['2']);
        // Piece by piece.
        $link->query('CREATE TABLE pieces (body LONGBLOB)');
        $insert = $link->prepare('INSERT INTO pieces VALUES (?)');
        $null = null;
        $insert->bind_param('b', $null);
        foreach (['long ', "\0data"] as $piece) {
            $insert->send_long_data(0, $piece);
        }
        $insert->execute();
        same($link->query('SELECT body FROM pieces')->fetch_row(), ["long \0data"]);
    },
    'transaction' => function () use (&$link, $user, $password, $database) {
        $link->begin_transaction();
        $link->query('DELETE FROM batch');
        $link->rollback();
        $link->autocommit(false);
        $link->query('DELETE FROM batch WHERE id < 10');
        $link->commit();
        $link->autocommit(true);
        same($link->query('SELECT COUNT(*) FROM batch')->fetch_row(), ['990']);
        same($link->change_user($user, $password, $database), true);
        same($link->query('SELECT COUNT(*) FROM batch')->fetch_row(), ['990']);
    },
    'errors' => function () use (&$link, $fails) {
        $fails(fn () => $link->query("INSERT INTO batch VALUES (500, 'x')"), 1062);
        $fails(fn () => $link->query('SELECT * FROM missing'), 1146);
        $fails(fn () => $link->prepare('SELEC ?'), 1064);
        same($link->stat() !== '' && $link->query('SELECT 2')->fetch_row() === ['2'], true);
    },
    'large' => function () use (&$link) {
        foreach (numbers_sql('numbers') as $sql) {
            $link->query($sql);
        }
        $sum = 0;
        foreach ($link->query('SELECT id, label FROM numbers', MYSQLI_USE_RESULT) as $row) {
            $sum += $row['id'];
        }
        same($sum, SUM);
    },
]);
