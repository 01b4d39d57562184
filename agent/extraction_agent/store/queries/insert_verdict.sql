INSERT INTO rollout_verdicts (rollout_id, wave, verdict, evidence)
VALUES (%(id)s, %(wave)s, %(verdict)s, %(evidence)s)
