<?php
// LOAD DATA LOCAL and several statements in one text through PDO: load.php PORT

declare(strict_types=1);

$db = new PDO("mysql:host=127.0.0.1;port={$argv[1]};charset=utf8mb4", 'root', '', [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::MYSQL_ATTR_LOCAL_INFILE => true,
]);
$db->exec('SET GLOBAL local_infile = 1');
$db->exec('CREATE DATABASE loading');
$db->exec('USE loading');
$db->exec('CREATE TABLE pages (site INT NOT NULL, at DATETIME NULL, path VARCHAR(20) NULL, views INT NOT NULL)'
    . ' DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin');
$file = __DIR__ . '/pages.csv';
$loaded = $db->exec("LOAD DATA LOCAL INFILE '$file' INTO TABLE pages FIELDS TERMINATED BY ',' ENCLOSED BY '\"'"
    . ' IGNORE 1 LINES (site, at, @path, views) SET path = LOWER(@path)');
echo "loaded: $loaded\n";
foreach ($db->query('SELECT * FROM pages ORDER BY site, at', PDO::FETCH_NUM) as $row) {
    $cells = array_map(fn ($v) => $v === null ? 'NULL' : str_replace("\n", '\\n', (string) $v), $row);
    echo 'row: ', implode('|', $cells), "\n";
}
$several = $db->query("SELECT 'one;' AS a; SELECT COUNT(*) FROM pages");
do {
    echo 'several: ', $several->fetchColumn(), "\n";
} while ($several->nextRowset());
echo 'alive: ', $db->query('SELECT 2')->fetchColumn(), "\n";
