-- What keeps the queue fair, the directory of the files clean, and the counters of all processes together.

ALTER TABLE waybill.export_task
    ADD start_time timestamptz(3),
    ADD file_removed boolean NOT NULL DEFAULT false,
    ADD CHECK (state = 'success' OR NOT file_removed);

COMMENT ON COLUMN waybill.export_task.lease IS
    'The claim that runs it: only its holder may finish it, and its file will have this name';
COMMENT ON COLUMN waybill.export_task.start_time IS 'Of the last claim';
COMMENT ON COLUMN waybill.export_task.file_removed IS 'Its file has expired and is, or is about to be, removed';

-- A claim looks at the first tasks of each project that waits, at what runs, and at when a project had its last turn.
DROP INDEX waybill.export_task_unfinished;
CREATE INDEX export_task_queued ON waybill.export_task (project_id, create_time) WHERE state = 'queued';
CREATE INDEX export_task_running ON waybill.export_task (project_id) WHERE state = 'running';
CREATE INDEX export_task_turn ON waybill.export_task (project_id, start_time DESC) WHERE start_time IS NOT NULL;

-- Which files there are, and which rows are due for removal.
CREATE INDEX export_task_file ON waybill.export_task (expire_time) INCLUDE (file_size)
    WHERE state = 'success' AND NOT file_removed;
CREATE INDEX export_task_ended ON waybill.export_task (finish_time) INCLUDE (state)
    WHERE state IN ('success', 'failure');

-- Names in the directory that no task holds any more. A task gives one up in the transaction that ends its claim or
-- removes its row, whoever does so; housekeeping removes what has the name. A claim that was given up may still be
-- writing somewhere (a stopped process, a host cut off), so its name is remembered for a while.
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

-- Counters, each under its name with its labels as GET /metrics shows it.
CREATE TABLE waybill.counter (
    name  text COLLATE "C" PRIMARY KEY,
    value double precision NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, DELETE ON waybill.discarded_file TO waybill_service;
GRANT SELECT, INSERT, UPDATE ON waybill.counter TO waybill_service;
