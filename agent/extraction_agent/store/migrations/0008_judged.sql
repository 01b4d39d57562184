-- What nobody has judged is not committed; a way back is told from that by the record itself (docs/explanation/rollout.md).

ALTER TABLE rollouts
    ADD COLUMN takes_back bigint REFERENCES rollouts,  -- the committed one that a person undoes by this one, unjudged
    ADD CHECK (takes_back IS NULL OR watch_seconds = 0);  -- a guard must not bring back what is undone

-- The waves that keep it from being committed, each with its latest verdict: null if it has none. Every wave that was
-- begun needs one, the canary always, and the databases where an index was built.
CREATE FUNCTION rollout_objections(number bigint) RETURNS TABLE (wave integer, verdict text) LANGUAGE sql STABLE AS $$
    SELECT needed.wave, latest.verdict
    FROM (
        SELECT generate_series(1, greatest(r.wave, 1)) AS wave FROM rollouts AS r
        WHERE r.id = number AND r.takes_back IS NULL
        UNION
        SELECT 0 FROM rollouts AS r JOIN rollout_indexes AS i ON i.rollout_id = r.id
        WHERE r.id = number AND r.takes_back IS NULL AND i.ours AND i.state <> 'dropped'
        UNION
        SELECT v.wave FROM rollout_verdicts AS v WHERE v.rollout_id = number
    ) AS needed
    LEFT JOIN LATERAL (
        SELECT v.verdict, v.overridden_by FROM rollout_verdicts AS v
        WHERE v.rollout_id = number AND v.wave = needed.wave ORDER BY v.id DESC LIMIT 1
    ) AS latest ON true
    WHERE latest.verdict IS DISTINCT FROM 'GO' AND latest.overridden_by IS NULL
    ORDER BY needed.wave
$$;
