-- Supports a fair queue, the removal of abandoned files, and counters for all processes.

ALTER TABLE waybill.export_task
    ADD start_time timestamptz(3),
    ADD file_removed boolean NOT NULL DEFAULT false,
    ADD CHECK (state = 'success' OR NOT file_removed);

COMMENT ON COLUMN waybill.export_task.lease IS
    'The claim of the process that runs the task; only its holder may end the task, and its file has this name';
COMMENT ON COLUMN waybill.export_task.start_time IS 'Start of the last claim';
COMMENT ON COLUMN waybill.export_task.file_removed IS 'The file has expired and was removed, or will be soon';

-- A claim reads the first queued task of each project, the running tasks, and the last start of each project.
DROP INDEX waybill.export_task_unfinished;
CREATE INDEX export_task_queued ON waybill.export_task (project_id, create_time) WHERE state = 'queued';
CREATE INDEX export_task_running ON waybill.export_task (project_id) WHERE state = 'running';
CREATE INDEX export_task_turn ON waybill.export_task (project_id, start_time DESC) WHERE start_time IS NOT NULL;

-- For housekeeping: the existing files, and the rows to remove.
CREATE INDEX export_task_file ON waybill.export_task (expire_time) INCLUDE (file_size)
    WHERE state = 'success' AND NOT file_removed;
CREATE INDEX export_task_ended ON waybill.export_task (finish_time) INCLUDE (state)
    WHERE state IN ('success', 'failure');

-- Names of files that no longer belong to a task. The transaction that ends a claim or removes a task also inserts
-- the name here, and housekeeping removes the file. The process of an abandoned claim may still be writing, for
-- example after it was suspended or its host was disconnected, so the name is kept for an hour.
CREATE TABLE waybill.discarded_file (
    file_id     uuid PRIMARY KEY,
    forget_time timestamptz NOT NULL
);

CREATE FUNCTION waybill.discard_file() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF TG_ARGV[0] = 'lease' THEN
        INSERT INTO waybill.discarded_file (file_id, forget_time) VALUES (OLD.lease, now() + interval '1 hour')
        ON CONFLICT DO NOTHING;
    ELSE
        INSERT INTO waybill.discarded_file (file_id, forget_time) VALUES (OLD.file_id, now())
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER lease_given_up AFTER UPDATE ON waybill.export_task FOR EACH ROW
    WHEN (OLD.lease IS NOT NULL AND NEW.lease IS DISTINCT FROM OLD.lease AND NEW.file_id IS DISTINCT FROM OLD.lease)
    EXECUTE FUNCTION waybill.discard_file('lease');
CREATE TRIGGER lease_deleted AFTER DELETE ON waybill.export_task FOR EACH ROW
    WHEN (OLD.lease IS NOT NULL)
    EXECUTE FUNCTION waybill.discard_file('lease');
CREATE TRIGGER file_given_up AFTER UPDATE ON waybill.export_task FOR EACH ROW
    WHEN (OLD.file_id IS NOT NULL AND NOT OLD.file_removed
          AND (NEW.file_removed OR NEW.file_id IS DISTINCT FROM OLD.file_id))
    EXECUTE FUNCTION waybill.discard_file('file');
CREATE TRIGGER file_deleted AFTER DELETE ON waybill.export_task FOR EACH ROW
    WHEN (OLD.file_id IS NOT NULL AND NOT OLD.file_removed)
    EXECUTE FUNCTION waybill.discard_file('file');

-- The counters of all processes. A name includes the labels, as in GET /metrics.
CREATE TABLE waybill.counter (
    name  text COLLATE "C" PRIMARY KEY,
    value double precision NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, DELETE ON waybill.discarded_file TO waybill_service;
GRANT SELECT, INSERT, UPDATE ON waybill.counter TO waybill_service;
