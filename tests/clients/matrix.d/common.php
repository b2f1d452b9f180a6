<?php
// What the PHP clients of the matrix share.

declare(strict_types=1);

const TEXT = "Zürich 🚀 'quoted' \\ \"x\"\n\t%_";
const KINDS = 'CREATE TABLE kinds (id INT PRIMARY KEY, big BIGINT UNSIGNED, money DECIMAL(20,6), half DOUBLE,
    label VARCHAR(100), raw VARBINARY(300), day DATE, moment DATETIME(6), span TIME, flag TINYINT(1), nothing INT)';
const ROWS = 100000;
const SUM = ROWS * (ROWS - 1) / 2;
$binary = implode('', array_map('chr', range(0, 255)));
$kind = [1, '18446744073709551615', '-12345678901234.567891', 0.1, TEXT, $binary, '2024-02-29',
    '2024-02-29 23:59:58.123456', '-26:03:04', 1, null];
[$host, $port, $user, $password, $database] = array_map('getenv',
    ['MATRIX_HOST', 'MATRIX_PORT', 'MATRIX_USER', 'MATRIX_PASSWORD', 'MATRIX_DATABASE']);

function same(mixed $got, mixed $expected): void
{
    if ($got !== $expected) {
        throw new RuntimeException('got ' . var_export($got, true) . ', expected ' . var_export($expected, true));
    }
}

function numbers_sql(string $table): Generator
{
    yield "CREATE TABLE $table (id INT PRIMARY KEY, label VARCHAR(40))";
    yield "INSERT INTO $table VALUES " . implode(',', array_map(fn ($i) => "($i,'row $i')", range(0, 999)));
    for ($step = 1000; $step < ROWS; $step *= 2) {
        $limit = ROWS - $step;
        yield "INSERT INTO $table SELECT id + $step, CONCAT('row ', id + $step) FROM $table WHERE id < $limit";
    }
}

function run(string $version, array $cases): never
{
    echo "version $version\n";
    $failed = false;
    foreach ($cases as $name => $case) {
        try {
            $case();
            echo "pass $name\n";
        } catch (Throwable $error) {
            $failed = true;
            $text = get_class($error) . ': ' . preg_replace('/[^\x20-\x7e]+/', ' ', $error->getMessage());
            echo "fail $name: ", substr($text, 0, 400), "\n";
        }
    }
    exit($failed ? 1 : 0);
}
