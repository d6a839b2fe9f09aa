-- Each user of the day: a buyer bought at least once, everyone else shopped by window (spec, batch layer).
SELECT
    user_id,
    CASE
        WHEN count(*) FILTER (WHERE event_type = 'purchase') > 0 THEN 'buyer'
        ELSE 'window_shopper'
    END AS segment
FROM events
GROUP BY user_id
