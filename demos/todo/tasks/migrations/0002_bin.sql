-- A deleted task is in the bin until that is emptied.
ALTER TABLE tasks ADD COLUMN deleted_at TEXT;

CREATE INDEX tasks_in_the_bin ON tasks (deleted_at) WHERE deleted_at IS NOT NULL;
