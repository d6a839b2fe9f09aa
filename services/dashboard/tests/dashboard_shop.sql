-- A shop: days with a weekly rhythm, alerts of the last hours, and what streaming says. See dashboard_shop.py.
INSERT INTO product_performance
SELECT day::date, 'product_' || n, views, views * (24 + (n + n / 8) %% 8 * 2) / 100,
       views * (6 + (n + n / 8) %% 8) / 100 + n %% 3,
       row_number() OVER (PARTITION BY day ORDER BY views DESC, n)
  FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS day,
       generate_series(1, %(products)s) AS n,
       LATERAL (SELECT (40000.0 * %(scale)s / (n + 3) * (1 + 0.16 * sin(extract(dow FROM day) * 0.9) + 0.1 * sin(extract(doy FROM day) * 0.31 + n)))::bigint + 1 AS views) AS seen;

INSERT INTO category_conversion
SELECT report_date, category, sum(view_count), sum(cart_count), sum(purchase_count),
       round(100.0 * sum(purchase_count) / sum(view_count), 2), sum(purchase_count) * 4731
  FROM (SELECT *, (%(categories)s::text[])[1 + (n + n / 8) %% 8] AS category FROM product_performance, LATERAL (SELECT substr(product_id, 9)::int AS n) AS numbered) AS placed
 GROUP BY report_date, category;

INSERT INTO user_segments
SELECT day::date, 'user_' || n, CASE WHEN (n::bigint * 7919 + extract(doy FROM day)::bigint * 31) %% 100
            < 58 + 9 * sin(extract(dow FROM day) * 0.9) THEN 'buyer' ELSE 'window_shopper' END
  FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS day, generate_series(1, %(users)s) AS n;

INSERT INTO daily_summary
SELECT report_date, events, buyers, users - buyers, round(100.0 * buyers / users, 2), revenue,
       events / 97, events / 2011, 0, least(report_date + interval '1 day 2 hours 4 minutes', %(now)s)
  FROM (SELECT report_date, sum(views + carts + purchases)::bigint AS events, sum(revenue_minor)::bigint AS revenue
          FROM category_conversion GROUP BY report_date) AS counted
  JOIN (SELECT report_date, count(*) AS users, count(*) FILTER (WHERE segment = 'buyer') AS buyers
          FROM user_segments GROUP BY report_date) AS people USING (report_date);

INSERT INTO revenue_by_currency
SELECT report_date, 'EUR', revenue_minor FROM daily_summary;

INSERT INTO flash_sale_alerts
SELECT 'product_' || (n * 13 %% %(products)s + 1), start, start + interval '10 minutes',
       (%(categories)s::text[])[1 + n %% 8], 101 + n * 37 %% 900, n %% 5,
       CASE WHEN n < %(active)s THEN 'active' WHEN n %% 4 = 0 THEN 'retracted' ELSE 'confirmed' END,
       start + interval '4 minutes' + n * interval '1 second', start + interval '6 minutes' + n * interval '1 second'
  FROM generate_series(0, %(alerts)s - 1) AS n,
       LATERAL (SELECT date_bin('5 minutes', %(now)s::timestamptz, '2000-01-01Z')
                       - (5 * (1 + n / %(at_once)s)) * interval '1 minute' AS start) AS placed
    ON CONFLICT DO NOTHING;

INSERT INTO window_counts
SELECT start, 'product_' || n, start + interval '10 minutes', (%(categories)s::text[])[1 + (n + n / 8) %% 8],
       (140.0 / (1 + 0.3 * n) * (1 + 0.5 * sin(step * 0.5 + n)) + 30)::bigint, 20, (8.0 * (1 + sin(step * 0.35 + n)))::bigint
  FROM generate_series(4, %(windows)s + 3) AS step, generate_series(1, LEAST(%(products)s, 300)) AS n,
       LATERAL (SELECT date_bin('5 minutes', %(now)s::timestamptz, '2000-01-01Z') - step * interval '5 minutes' AS start) AS placed;

INSERT INTO stream_status VALUES ('clickstream-events', %(now)s, 1987.4, 3, 41250, %(now)s - interval '21 seconds',
    date_bin('5 minutes', %(now)s::timestamptz, '2000-01-01Z') - interval '10 minutes', %(now)s - interval '21 seconds',
    18204117, 183022, 1204, 18377);
INSERT INTO stream_dead_letters VALUES ('clickstream-events', 'bad_frame', 11204), ('clickstream-events', 'undecodable', 4120),
    ('clickstream-events', 'unknown_schema_id', 2310), ('clickstream-events', 'future_timestamp', 743);
INSERT INTO stream_schemas VALUES ('clickstream-events', 1, 1, 4551029, %(now)s - interval '21 seconds'),
    ('clickstream-events', 2, 2, 13836110, %(now)s - interval '21 seconds');

INSERT INTO reconciliation
SELECT report_date, metric, '', batch - late + extra, batch, extra - late, -late, extra, 0, 0
  FROM daily_summary,
       LATERAL (VALUES ('views', total_events * 7 / 10), ('carts', total_events * 2 / 10),
                       ('purchases', total_events / 10), ('total_events', total_events)) AS counted (metric, batch),
       LATERAL (SELECT batch / 15000 AS late, 0 AS extra) AS reasons
 WHERE report_date > %(last)s::date - 7;
INSERT INTO reconciliation VALUES (%(last)s, 'views', 'product_3', 4990, 5000, -10, -8, 0, 0, -2),
    (%(last)s, 'views', 'product_9', 3301, 3305, -4, -4, 0, 0, 0);
INSERT INTO quality_gates (report_date, gate, measured, warn_at, fail_at, verdict, note)
SELECT report_date, gate, measured, warn_at, fail_at, verdict, note
  FROM daily_summary, (VALUES ('malformed_share', 0.0005, 0.01, 0.05, 'pass', ''), ('duplicate_share', 0.0103, 0.01, 0.2, 'warn', 'more than usual: is a producer sending twice?'),
            ('volume_against_week', 0.97, 0.5, 0.2, 'pass', '')) AS gates (gate, measured, warn_at, fail_at, verdict, note)
 WHERE report_date > %(last)s::date - 7;
