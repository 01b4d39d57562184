-- Transactions as young as the snapshot's oldest whose rows it shows: the next run must not take them again.
SELECT coalesce(range_agg(int8range(xid, xid, '[]')), '{{}}')::text
FROM (SELECT DISTINCT {xid} AS xid FROM {relation} WHERE {young}) AS visible
