-- The queries of a web-analytics dashboard, in MySQL dialect, over one year (2025) of page views;
-- "now" is 2026-01-01 00:00:00.
--
-- Sites: 412 is the largest, 1626 is medium, 175 is small;
-- 999999 is the site of the viral day, with nearly as many pages as views.
--
-- Format: a line "-- name: NAME  class: CLASS  table: TABLE", then one statement ended by ';'.
-- Every ORDER BY ends in a unique key, so that results of different engines can be compared.

-- ---------------------------------------------------------------- totals

-- name: totals_large_30d  class: totals  table: pageviews
SELECT SUM(pageviews) AS pageviews, SUM(visits) AS visits, SUM(uniques) AS uniques,
       100.0 * SUM(bounces) / NULLIF(SUM(visits), 0) AS bounce_rate,
       1.0 * SUM(duration) / NULLIF(SUM(visits), 0) AS avg_duration
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00';

-- name: totals_large_12m  class: totals  table: pageviews
SELECT SUM(pageviews) AS pageviews, SUM(visits) AS visits, SUM(uniques) AS uniques,
       100.0 * SUM(bounces) / NULLIF(SUM(visits), 0) AS bounce_rate,
       1.0 * SUM(duration) / NULLIF(SUM(visits), 0) AS avg_duration
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00';

-- name: totals_medium_30d  class: totals  table: pageviews
SELECT SUM(pageviews) AS pageviews, SUM(visits) AS visits, SUM(uniques) AS uniques,
       100.0 * SUM(bounces) / NULLIF(SUM(visits), 0) AS bounce_rate,
       1.0 * SUM(duration) / NULLIF(SUM(visits), 0) AS avg_duration
FROM pageviews
WHERE site_id = 1626 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00';

-- name: totals_small_12m  class: totals  table: pageviews
SELECT SUM(pageviews) AS pageviews, SUM(visits) AS visits, SUM(uniques) AS uniques,
       100.0 * SUM(bounces) / NULLIF(SUM(visits), 0) AS bounce_rate,
       1.0 * SUM(duration) / NULLIF(SUM(visits), 0) AS avg_duration
FROM pageviews
WHERE site_id = 175 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00';

-- name: compare_large_30d  class: totals  table: pageviews
SELECT SUM(CASE WHEN timestamp >= '2025-12-02 00:00:00' THEN pageviews ELSE 0 END) AS pageviews,
       SUM(CASE WHEN timestamp < '2025-12-02 00:00:00' THEN pageviews ELSE 0 END) AS pageviews_before,
       SUM(CASE WHEN timestamp >= '2025-12-02 00:00:00' THEN visits ELSE 0 END) AS visits,
       SUM(CASE WHEN timestamp < '2025-12-02 00:00:00' THEN visits ELSE 0 END) AS visits_before
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-11-02 00:00:00' AND timestamp < '2026-01-01 00:00:00';

-- name: current_large_5min  class: totals  table: pageviews
SELECT COUNT(DISTINCT client_id) AS visitors, SUM(pageviews) AS pageviews
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-31 23:55:00';

-- ---------------------------------------------------------------- time series

-- name: hours_large_7d  class: series  table: pageviews
SELECT DATE_FORMAT(timestamp, '%Y-%m-%d %H:00:00') AS t, SUM(pageviews) AS pageviews, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-25 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY t ORDER BY t;

-- name: days_large_30d  class: series  table: pageviews
SELECT DATE(timestamp) AS t, SUM(pageviews) AS pageviews, SUM(visits) AS visits, SUM(uniques) AS uniques,
       SUM(bounces) AS bounces, SUM(duration) AS duration
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY t ORDER BY t;

-- name: months_large_12m  class: series  table: pageviews
SELECT DATE_FORMAT(timestamp, '%Y-%m-01') AS t, SUM(pageviews) AS pageviews, SUM(visits) AS visits,
       SUM(uniques) AS uniques
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY t ORDER BY t;

-- name: days_medium_12m  class: series  table: pageviews
SELECT DATE(timestamp) AS t, SUM(pageviews) AS pageviews, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 1626 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY t ORDER BY t;

-- name: heatmap_large_12m  class: series  table: pageviews
SELECT DAYOFWEEK(timestamp) AS d, HOUR(timestamp) AS h, SUM(pageviews) AS pageviews, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY d, h ORDER BY d, h;

-- ---------------------------------------------------------------- top lists

-- name: pages_large_7d  class: top  table: pageviews
SELECT pathname, SUM(pageviews) AS pv, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-25 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 30;

-- name: pages_large_30d  class: top  table: pageviews
SELECT hostname, pathname, SUM(pageviews) AS pv, SUM(uniques) AS uniques,
       1.0 * SUM(duration) / NULLIF(SUM(pageviews), 0) AS avg_duration
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY hostname, pathname ORDER BY pv DESC, hostname, pathname LIMIT 30;

-- name: pages_large_12m  class: top  table: pageviews
SELECT pathname, SUM(pageviews) AS pv, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 30;

-- name: pages_medium_30d  class: top  table: pageviews
SELECT pathname, SUM(pageviews) AS pv, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 1626 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 30;

-- name: pages_small_12m  class: top  table: pageviews
SELECT pathname, SUM(pageviews) AS pv, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 175 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 30;

-- name: entries_large_30d  class: top  table: pageviews
SELECT pathname, SUM(visits) AS entries, 100.0 * SUM(bounces) / NULLIF(SUM(visits), 0) AS bounce_rate
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY pathname HAVING SUM(visits) > 0 ORDER BY entries DESC, pathname LIMIT 30;

-- name: referrers_large_30d  class: top  table: pageviews
SELECT referrer_hostname, SUM(visits) AS v, SUM(pageviews) AS pv
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
  AND referrer_hostname IS NOT NULL
GROUP BY referrer_hostname ORDER BY v DESC, referrer_hostname LIMIT 30;

-- name: browsers_large_12m  class: top  table: pageviews
SELECT browser, SUM(pageviews) AS pv, SUM(uniques) AS uniques
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY browser ORDER BY pv DESC, browser LIMIT 30;

-- name: countries_large_12m  class: top  table: pageviews
SELECT country_code, SUM(pageviews) AS pv, SUM(uniques) AS uniques
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY country_code ORDER BY pv DESC, country_code LIMIT 30;

-- name: cities_medium_12m  class: top  table: pageviews
SELECT country_code, region, city, SUM(uniques) AS u
FROM pageviews
WHERE site_id = 1626 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
  AND city IS NOT NULL
GROUP BY country_code, region, city ORDER BY u DESC, country_code, region, city LIMIT 30;

-- name: devices_large_30d  class: top  table: pageviews
SELECT device_type, operating_system, SUM(pageviews) AS pv, SUM(uniques) AS uniques
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY device_type, operating_system ORDER BY pv DESC, device_type, operating_system LIMIT 30;

-- name: utm_large_12m  class: top  table: pageviews
SELECT utm_source, utm_medium, utm_campaign, SUM(visits) AS v, SUM(pageviews) AS pv
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
  AND utm_campaign IS NOT NULL
GROUP BY utm_source, utm_medium, utm_campaign
ORDER BY v DESC, utm_source, utm_medium, utm_campaign LIMIT 30;

-- ---------------------------------------------------------------- drill-downs

-- name: filter_eq2_large_30d  class: filter  table: pageviews
SELECT pathname, SUM(pageviews) AS pv, SUM(uniques) AS uniques
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
  AND country_code = 'US' AND browser = 'Chrome'
GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 30;

-- name: filter_in_large_12m  class: filter  table: pageviews
SELECT DATE(timestamp) AS t, SUM(pageviews) AS pv, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
  AND referrer_hostname IN ('t.co', 'www.linkedin.com', 'news.ycombinator.com', 'out.reddit.com')
GROUP BY t ORDER BY t;

-- name: filter_prefix_large_12m  class: filter  table: pageviews
SELECT pathname, SUM(pageviews) AS pv, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
  AND pathname LIKE '/blog/2024/%'
GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 30;

-- name: filter_substr_large_12m  class: filter  table: pageviews
SELECT DATE(timestamp) AS t, SUM(pageviews) AS pv, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
  AND pathname LIKE '%pricing%'
GROUP BY t ORDER BY t;

-- name: filter_ne3_large_30d  class: filter  table: pageviews
SELECT utm_campaign, SUM(pageviews) AS pv, SUM(visits) AS visits
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
  AND device_type <> 'Mobile' AND country_code <> 'US' AND utm_source IS NOT NULL
GROUP BY utm_campaign ORDER BY pv DESC, utm_campaign LIMIT 30;

-- name: filter_eq_medium_12m  class: filter  table: pageviews
SELECT referrer_hostname, SUM(visits) AS v
FROM pageviews
WHERE site_id = 1626 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00'
  AND pathname = '/pricing' AND referrer_hostname IS NOT NULL
GROUP BY referrer_hostname ORDER BY v DESC, referrer_hostname LIMIT 30;

-- ---------------------------------------------------------------- distinct counts

-- name: distinct_large_30d  class: distinct  table: pageviews
SELECT COUNT(DISTINCT client_id) AS visitors
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00';

-- name: distinct_large_12m  class: distinct  table: pageviews
SELECT COUNT(DISTINCT client_id) AS visitors
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-01-01 00:00:00' AND timestamp < '2026-01-01 00:00:00';

-- name: distinct_pages_large_30d  class: distinct  table: pageviews
SELECT pathname, COUNT(DISTINCT client_id) AS visitors
FROM pageviews
WHERE site_id = 412 AND timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY pathname ORDER BY visitors DESC, pathname LIMIT 30;

-- ---------------------------------------------------------------- all sites (admin)

-- name: admin_total  class: admin  table: pageviews
SELECT COUNT(*) AS n, SUM(pageviews) AS pv, SUM(visits) AS visits, SUM(duration) AS duration
FROM pageviews;

-- name: admin_days_30d  class: admin  table: pageviews
SELECT DATE(timestamp) AS t, SUM(pageviews) AS pv, SUM(visits) AS visits
FROM pageviews
WHERE timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY t ORDER BY t;

-- name: admin_sites  class: admin  table: pageviews
SELECT site_id, SUM(pageviews) AS pv, SUM(visits) AS visits, SUM(uniques) AS uniques
FROM pageviews
GROUP BY site_id ORDER BY pv DESC, site_id LIMIT 50;

-- name: admin_pages_30d  class: admin  table: pageviews
SELECT site_id, pathname, SUM(pageviews) AS pv
FROM pageviews
WHERE timestamp >= '2025-12-02 00:00:00' AND timestamp < '2026-01-01 00:00:00'
GROUP BY site_id, pathname ORDER BY pv DESC, site_id, pathname LIMIT 30;

-- name: admin_distinct  class: admin  table: pageviews
SELECT COUNT(DISTINCT client_id) AS visitors FROM pageviews;

-- ---------------------------------------------------------------- the viral day

-- name: viral_totals  class: viral  table: viral
SELECT SUM(pageviews) AS pageviews, SUM(visits) AS visits, SUM(uniques) AS uniques
FROM viral
WHERE site_id = 999999 AND timestamp >= '2025-11-15 00:00:00' AND timestamp < '2025-11-16 00:00:00';

-- name: viral_pages  class: viral  table: viral
SELECT pathname, SUM(pageviews) AS pv, SUM(visits) AS visits, SUM(uniques) AS uniques
FROM viral
WHERE site_id = 999999 AND timestamp >= '2025-11-15 00:00:00' AND timestamp < '2025-11-16 00:00:00'
GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 30;

-- name: viral_pages_filter  class: viral  table: viral
SELECT pathname, SUM(pageviews) AS pv
FROM viral
WHERE site_id = 999999 AND timestamp >= '2025-11-15 00:00:00' AND timestamp < '2025-11-16 00:00:00'
  AND referrer_type = 'Social'
GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 30;

-- name: viral_distinct  class: viral  table: viral
SELECT COUNT(DISTINCT pathname) AS pages
FROM viral
WHERE site_id = 999999 AND timestamp >= '2025-11-15 00:00:00' AND timestamp < '2025-11-16 00:00:00';

-- ---------------------------------------------------------------- events

-- name: events_large_30d  class: join  table: events
SELECT p.`key`, p.value, COUNT(*) AS n
FROM events e JOIN event_properties p ON p.site_id = e.site_id AND p.event_uuid = e.uuid
WHERE e.site_id = 412 AND e.timestamp >= '2025-12-02 00:00:00' AND e.timestamp < '2026-01-01 00:00:00'
  AND e.name = 'signup'
GROUP BY p.`key`, p.value ORDER BY n DESC, p.`key`, p.value LIMIT 30;

-- name: events_large_12m  class: join  table: events
SELECT p.`key`, p.value, COUNT(*) AS n
FROM events e JOIN event_properties p ON p.site_id = e.site_id AND p.event_uuid = e.uuid
WHERE e.site_id = 412 AND e.timestamp >= '2025-01-01 00:00:00' AND e.timestamp < '2026-01-01 00:00:00'
GROUP BY p.`key`, p.value ORDER BY n DESC, p.`key`, p.value LIMIT 30;
