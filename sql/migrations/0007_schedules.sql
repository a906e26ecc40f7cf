-- Recurring exports: schedules, their runs, and the notifications about the runs.

CREATE TABLE waybill.export_schedule (
    schedule_id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id            text COLLATE "C" NOT NULL,
    name                  text COLLATE "C" NOT NULL,
    rule                  text NOT NULL,
    time_zone             text NOT NULL,
    start_time            timestamptz(3) NOT NULL,
    enabled               boolean NOT NULL,
    keep                  integer NOT NULL CHECK (keep BETWEEN 1 AND 1000),
    enterprise_project_id text COLLATE "C" NOT NULL,
    enterprise_projects   text[] COLLATE "C" CHECK (cardinality(enterprise_projects) > 0),
    export_size           integer NOT NULL CHECK (export_size BETWEEN 1 AND 100000),
    request               json NOT NULL,
    notify_url            text,
    notify_secret         text,
    token_id              bigint,
    create_time           timestamptz(3) NOT NULL,
    pending_from          timestamptz(3) NOT NULL,
    next_run_time         timestamptz(3),
    pause_reason          text,
    UNIQUE (project_id, name),
    CHECK ((notify_url IS NULL) = (notify_secret IS NULL)),
    CHECK (enabled OR next_run_time IS NULL),
    CHECK (pause_reason IS NULL OR NOT enabled)
);

COMMENT ON COLUMN waybill.export_schedule.enterprise_project_id IS
    'The value in the definition, which may be all_granted_eps';
COMMENT ON COLUMN waybill.export_schedule.enterprise_projects IS
    'The enterprise projects that the schedule could export when it was last changed; NULL means all';
COMMENT ON COLUMN waybill.export_schedule.request IS
    'The body of a task, whose create_time may be {"last": DURATION}';
COMMENT ON COLUMN waybill.export_schedule.token_id IS
    'The token that made or last changed the schedule, and whose grants its runs have; NULL means the operator';
COMMENT ON COLUMN waybill.export_schedule.pending_from IS
    'No earlier occurrence will run: the schedule was made, changed or resumed later, or the occurrence was processed';
COMMENT ON COLUMN waybill.export_schedule.next_run_time IS
    'The first occurrence that has not been processed; NULL means that there is none, or that the schedule is paused';
COMMENT ON COLUMN waybill.export_schedule.pause_reason IS 'Why the service paused the schedule';

CREATE INDEX export_schedule_due ON waybill.export_schedule (next_run_time, schedule_id)
    WHERE next_run_time IS NOT NULL;

-- One row for each occurrence that was run, for each group of skipped occurrences, and for each run on request.
CREATE TABLE waybill.schedule_run (
    run_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule_id     uuid NOT NULL REFERENCES waybill.export_schedule ON DELETE CASCADE,
    occurrence_time timestamptz(3) NOT NULL,
    requested       boolean NOT NULL DEFAULT false,
    state           text NOT NULL CHECK (state IN ('running', 'success', 'failure', 'skipped')),
    task_id         uuid UNIQUE,
    reason          text,
    attempts        integer NOT NULL DEFAULT 1,
    finish_time     timestamptz(3),
    retry_time      timestamptz(3),
    has_file        boolean NOT NULL DEFAULT false,
    is_settled      boolean NOT NULL DEFAULT true,
    CHECK ((state = 'skipped') = (task_id IS NULL)),
    CHECK ((state = 'running') = (finish_time IS NULL)),
    CHECK (retry_time IS NULL OR state = 'failure'),
    CHECK (state = 'success' OR NOT has_file)
);

COMMENT ON COLUMN waybill.schedule_run.occurrence_time IS
    'The occurrence of the rule, the newest one of a group of skipped occurrences, or the time of the request';
COMMENT ON COLUMN waybill.schedule_run.requested IS 'The run was requested, and is no occurrence of the rule';
COMMENT ON COLUMN waybill.schedule_run.retry_time IS 'When to retry a failed run; NULL means never';
COMMENT ON COLUMN waybill.schedule_run.has_file IS 'The file of the run is one of those that the schedule keeps';
COMMENT ON COLUMN waybill.schedule_run.is_settled IS
    'False after the task has ended, until the scheduler has created the notification and processed the outcome';

-- An occurrence becomes one run, however many processes find it due.
CREATE UNIQUE INDEX schedule_run_occurrence ON waybill.schedule_run (schedule_id, occurrence_time) WHERE NOT requested;
CREATE INDEX schedule_run_newest ON waybill.schedule_run (schedule_id, occurrence_time DESC, run_id DESC);
CREATE INDEX schedule_run_unfinished ON waybill.schedule_run (schedule_id) WHERE state = 'running';
CREATE INDEX schedule_run_file ON waybill.schedule_run (schedule_id, finish_time DESC, run_id DESC) WHERE has_file;
CREATE INDEX schedule_run_unsettled ON waybill.schedule_run (run_id) WHERE NOT is_settled;
CREATE INDEX schedule_run_retry ON waybill.schedule_run (retry_time) WHERE retry_time IS NOT NULL;
CREATE INDEX schedule_run_old ON waybill.schedule_run (finish_time) WHERE NOT has_file;

-- Notifications that have not been delivered. The URL and the secret are those of the schedule.
CREATE TABLE waybill.notification (
    notification_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    schedule_id       uuid NOT NULL REFERENCES waybill.export_schedule ON DELETE CASCADE,
    receiver          text COLLATE "C" NOT NULL,
    body              text NOT NULL,
    create_time       timestamptz(3) NOT NULL DEFAULT now(),
    attempts          integer NOT NULL DEFAULT 0,
    next_attempt_time timestamptz(3) NOT NULL DEFAULT date_trunc('milliseconds', now()), -- not in the future
    is_sending        boolean NOT NULL DEFAULT false,
    last_error        text
);

COMMENT ON COLUMN waybill.notification.receiver IS 'The host and port of the URL; one receiver cannot delay the others';
COMMENT ON COLUMN waybill.notification.is_sending IS
    'A process is sending it; if the process does not report the result, another one sends it at next_attempt_time';

CREATE INDEX notification_due ON waybill.notification (receiver, next_attempt_time);
CREATE INDEX notification_sending ON waybill.notification (receiver, next_attempt_time) WHERE is_sending;
CREATE INDEX notification_of_schedule ON waybill.notification (schedule_id);

-- The file of a scheduled task is kept until newer files of the schedule replace it: it has no expire_time.
-- PostgreSQL adds no column with a default to a table whose row type a function uses, so file_bytes is created again.
DROP FUNCTION waybill.file_bytes(waybill.export_task);
ALTER TABLE waybill.export_task ADD kept boolean NOT NULL DEFAULT false;
CREATE FUNCTION waybill.file_bytes(task waybill.export_task) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN task.state = 'success' AND NOT task.file_removed
            THEN coalesce(task.file_size, 0) + coalesce(task.gzip_size, 0) ELSE 0 END;

COMMENT ON COLUMN waybill.export_task.kept IS
    'The task belongs to a run of a schedule, and its file does not expire by age';

-- For housekeeping: files in the order in which they are removed to free space, without those that schedules keep.
DROP INDEX waybill.export_task_file_age;
CREATE INDEX export_task_file_age ON waybill.export_task (finish_time, task_id)
    WHERE state = 'success' AND NOT file_removed AND expire_time IS NOT NULL;

-- A run follows the state of its task in the same transaction. The scheduler processes the outcome afterwards.
CREATE FUNCTION waybill.follow_task() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    UPDATE waybill.schedule_run
    SET state = CASE WHEN NEW.finish_time IS NULL THEN 'running' ELSE NEW.state END,
        reason = NEW.error_msg, finish_time = NEW.finish_time, retry_time = NULL,
        has_file = NEW.state = 'success', is_settled = NEW.finish_time IS NULL
    WHERE task_id = NEW.task_id;
    PERFORM pg_catalog.pg_notify('waybill_schedule', '');
    RETURN NULL;
END
$$;

CREATE FUNCTION waybill.forget_task() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    UPDATE waybill.schedule_run
    SET state = 'failure', reason = 'the task was removed', finish_time = now()
    WHERE task_id = OLD.task_id AND state = 'running';
    UPDATE waybill.schedule_run SET has_file = false, retry_time = NULL
    WHERE task_id = OLD.task_id AND (has_file OR retry_time IS NOT NULL);
    RETURN NULL;
END
$$;

CREATE TRIGGER run_of_task AFTER UPDATE OF state ON waybill.export_task FOR EACH ROW
    WHEN (NEW.kept AND OLD.finish_time IS DISTINCT FROM NEW.finish_time)
    EXECUTE FUNCTION waybill.follow_task();
CREATE TRIGGER run_of_deleted_task AFTER DELETE ON waybill.export_task FOR EACH ROW
    WHEN (OLD.kept)
    EXECUTE FUNCTION waybill.forget_task();

GRANT SELECT, INSERT, UPDATE, DELETE ON waybill.export_schedule, waybill.schedule_run, waybill.notification
    TO waybill_service;
