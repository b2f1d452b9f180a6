-- Fed to the command-line client, which is allowed to send files.
SET GLOBAL local_infile = 1;
CREATE DATABASE loading;
USE loading
CREATE TABLE pages (site INT NOT NULL, at DATETIME NULL, path VARCHAR(20) NULL, views INT NOT NULL) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
LOAD DATA LOCAL INFILE 'pages.csv' INTO TABLE pages FIELDS TERMINATED BY ',' ENCLOSED BY '"' IGNORE 1 LINES (site, at, @path, views) SET path = LOWER(@path);
SHOW COUNT(*) WARNINGS;
SELECT * FROM pages ORDER BY site, at;
LOAD DATA LOCAL INFILE 'missing.csv' INTO TABLE pages;
SELECT COUNT(*) FROM pages;
