-- A chunk may take as long as it moves: our own deadlines watch that.
SET SESSION max_execution_time = 0
