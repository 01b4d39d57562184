-- For this transaction: enough for two workers to sort beside the leader (32 MB each is the least they take).
SET LOCAL maintenance_work_mem = '256MB'
