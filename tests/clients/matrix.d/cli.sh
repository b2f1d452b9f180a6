#!/usr/bin/env bash
# The command-line client, mysqldump and mydumper: cli.sh cli|mysqldump|mydumper
set -uo pipefail

client=(mariadb --no-defaults --protocol=tcp -h "$MATRIX_HOST" -P "$MATRIX_PORT" -u "$MATRIX_USER"
  --default-character-set=utf8mb4 --batch --skip-column-names)
export MYSQL_PWD=$MATRIX_PASSWORD
db=$MATRIX_DATABASE
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

ask() { "${client[@]}" "$db" -e "$1" 2>&1; }
# same NAME GOT EXPECTED
same() {
  if [[ $2 == "$3" ]]; then echo "pass $1"; else
    failed=1
    local got=${2//$'\n'/ }
    echo "fail $1: got ${got:0:300}, expected ${3//$'\n'/ }"
  fi
}

fill() {
  ask "CREATE TABLE kinds (id INT PRIMARY KEY AUTO_INCREMENT, big BIGINT UNSIGNED, money DECIMAL(20,6), half DOUBLE,
    label VARCHAR(100) NOT NULL DEFAULT 'x', raw VARBINARY(300), day DATE, moment DATETIME(6), span TIME,
    flag TINYINT(1), nothing INT, KEY by_label (label)) COMMENT 'it''s'"
  ask "INSERT INTO kinds VALUES (1, 18446744073709551615, -12345678901234.567891, 0.1, 'Zürich 🚀 \\'q\\' \\\\',
    X'00FF0A27', '2024-02-29', '2024-02-29 23:59:58.123456', '-26:03:04', 1, NULL)"
  ask "CREATE TABLE numbers (id INT PRIMARY KEY, label VARCHAR(40))"
  ask "INSERT INTO numbers VALUES $(seq -s, -f '(%g,"row %g")' 0 999)"
  local step
  for ((step = 1000; step < 64000; step *= 2)); do
    ask "INSERT INTO numbers SELECT id + $step, CONCAT('row ', id + $step) FROM numbers"
  done
}

image() { ask "SELECT HEX(label), big, money, half, HEX(raw), day, moment, span, flag, nothing FROM kinds;
  SELECT COUNT(*), SUM(id), MAX(label) FROM numbers; SHOW CREATE TABLE kinds"; }

version() { echo "version $("$1" --version 2>&1 | grep -oE '[0-9]+\.[0-9]+\.[0-9]+[^ ,]*' | head -1)"; }

case $1 in
cli)
  version mariadb
  same connect "$(ask 'SELECT DATABASE()')" "$db"
  same ddl "$(fill 2>&1)" ""
  same types "$(ask 'SELECT big, money, half, HEX(raw), moment, span, nothing FROM kinds')" \
    $'18446744073709551615\t-12345678901234.567891\t0.1\t00FF0A27\t2024-02-29 23:59:58.123456\t-26:03:04\tNULL'
  same batch "$(ask 'SELECT COUNT(*), SUM(id) FROM numbers')" $'64000\t2047968000'
  same prepared "$(ask "PREPARE s FROM 'SELECT label FROM numbers WHERE id = ?'; SET @a = 7; EXECUTE s USING @a")" "row 7"
  same transaction "$(ask 'BEGIN; DELETE FROM numbers WHERE id < 10; SELECT COUNT(*) FROM numbers; ROLLBACK;
    SELECT COUNT(*) FROM numbers')" $'63990\n64000'
  same errors "$(ask 'SELECT * FROM missing' | grep -o 'ERROR 1146 (42S02)')" "ERROR 1146 (42S02)"
  same large "$("${client[@]}" --quick --compress "$db" -e 'SELECT * FROM numbers' | wc -l)" 64000
  ;;
mysqldump)
  version mysqldump
  fill
  before=$(image)
  mysqldump --no-defaults --protocol=tcp -h "$MATRIX_HOST" -P "$MATRIX_PORT" -u "$MATRIX_USER" --single-transaction \
    --skip-comments --default-character-set=utf8mb4 "$db" > "$folder/dump.sql" 2> "$folder/errors"
  same connect "$(cat "$folder/errors")" ""
  ask 'DROP TABLE kinds; DROP TABLE numbers'
  same ddl "$("${client[@]}" "$db" < "$folder/dump.sql" 2>&1)" ""
  same types "$(image)" "$before"
  ;;
mydumper)
  version mydumper
  fill
  before=$(image)
  login=(-h "$MATRIX_HOST" -P "$MATRIX_PORT" -u "$MATRIX_USER" -p "$MATRIX_PASSWORD" -B "$db")
  mydumper "${login[@]}" -o "$folder/dump" > "$folder/said" 2>&1
  same connect "$? $(grep -ciE 'critical|error' "$folder/said") $(tail -n 2 "$folder/said")" "0 0 "
  ask 'DROP TABLE kinds; DROP TABLE numbers'
  myloader "${login[@]}" -o -d "$folder/dump" > "$folder/said" 2>&1
  same ddl "$? $(grep -ciE 'critical|error' "$folder/said") $(tail -n 2 "$folder/said")" "0 0 "
  same types "$(image)" "$before"
  ;;
esac
exit $failed
