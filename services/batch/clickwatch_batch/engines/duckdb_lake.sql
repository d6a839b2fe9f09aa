-- A day's events in the lake, read where they lie: no analysis needs more than a few of the columns, and
-- reading these again costs less than keeping them. The lake has each event once; should one be there twice,
-- the first counts, by file and by row.

-- Ids that seem to occur twice: comparing hashes costs half of what comparing ids does, and takes less memory.
CREATE OR REPLACE TABLE suspects AS
SELECT id_hash
FROM (SELECT hash(event_id) AS id_hash FROM lake)
GROUP BY id_hash
HAVING count(*) > 1;

CREATE OR REPLACE TABLE duplicates AS
SELECT filename, file_row_number
FROM (
    SELECT
        filename,
        file_row_number,
        row_number() OVER (PARTITION BY event_id ORDER BY filename, file_row_number) AS occurrence
    FROM lake
    WHERE hash(event_id) IN (SELECT id_hash FROM suspects)
)
WHERE occurrence > 1;

-- What has no lines has no malformed ones to set aside.
CREATE OR REPLACE TABLE lines (verdict VARCHAR);
