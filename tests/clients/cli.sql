-- Fed to the command-line client on standard input; its output must be cli.expected.
CREATE DATABASE clients;
USE clients
CREATE TABLE visits (site INT UNSIGNED NOT NULL, at DATETIME NOT NULL, path VARCHAR(100), views INT NOT NULL, seconds INT NOT NULL) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
SHOW TABLES;
INSERT INTO visits VALUES (1, '2025-01-01 10:00:00', '/', 1, 0), (1, '2025-01-01 10:00:00', '/', 0, 42), (2, '2025-01-02 11:00:00', '/it''s "ü" \\ 🚀', 1, 0);
INSERT INTO visits VALUES (2, '2025-01-03 12:00:00', NULL, 1, -5);
SELECT * FROM visits ORDER BY site, at, seconds;
SELECT site, SUM(views) AS views, SUM(seconds) / SUM(views) AS average FROM visits GROUP BY site ORDER BY site;
SELECT COUNT(*), COUNT(path), MIN(at), MAX(at), AVG(seconds) FROM visits; -- with a comment
/* a comment before */ SELECT 'one' AS a, 2 AS b, NULL AS c, 1.50 AS d;
SELECT site FROM visits WHERE path IS NULL \G
SELECT 1 FROM nothing;
DELIMITER //
SELECT 'other delimiter' AS d //
DELIMITER ;
SELECT 'a;b' AS semicolon; SELECT 'second on the line' AS s;
STATUS_IS_NOT_A_COMMAND;
SELECT DATABASE() AS db, @@autocommit AS autocommit;
DROP DATABASE clients;
