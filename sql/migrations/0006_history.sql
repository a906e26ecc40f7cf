-- The cost of lists, metrics and housekeeping must not depend on the number of old tasks.

-- Tallies make it unnecessary to count the tasks. The sum over all rows of a tally is exact in every snapshot: a change
-- to a task that affects a tally inserts the difference as a row in the same transaction, without waiting for a lock.
-- Housekeeping consolidates these rows (src/export/retention.c); `folded` marks a consolidated row.
CREATE TABLE waybill.task_tally (
    project_id            text COLLATE "C" NOT NULL,
    enterprise_project_id text COLLATE "C" NOT NULL,
    enterprise_projects   text[] COLLATE "C",
    tasks                 bigint NOT NULL,
    folded                boolean NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE waybill.ended_tally (
    success    bigint NOT NULL,
    failure    bigint NOT NULL,
    file_bytes bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

COMMENT ON TABLE waybill.task_tally IS 'The sum over rows is the number of tasks with these values';
COMMENT ON TABLE waybill.ended_tally IS
    'The sums over all rows are the numbers of ended tasks and the bytes of their files';

CREATE INDEX task_tally_of_project ON waybill.task_tally (project_id, enterprise_project_id);
CREATE INDEX task_tally_unfolded ON waybill.task_tally (project_id) WHERE NOT folded;

CREATE FUNCTION waybill.file_bytes(task waybill.export_task) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN task.state = 'success' AND NOT task.file_removed
            THEN coalesce(task.file_size, 0) + coalesce(task.gzip_size, 0) ELSE 0 END;

-- Called for each row that changes a tally. Claiming a task or renewing a lease changes no tally.
CREATE FUNCTION waybill.tally_task() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO waybill.task_tally (project_id, enterprise_project_id, enterprise_projects, tasks)
        VALUES (OLD.project_id, OLD.enterprise_project_id, OLD.enterprise_projects, -1);
    END IF;
    INSERT INTO waybill.task_tally (project_id, enterprise_project_id, enterprise_projects, tasks)
    VALUES (NEW.project_id, NEW.enterprise_project_id, NEW.enterprise_projects, 1);
    RETURN NULL;
END
$$;

CREATE FUNCTION waybill.tally_end() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    INSERT INTO waybill.ended_tally (success, failure, file_bytes)
    VALUES ((NEW.state = 'success')::integer - coalesce((OLD.state = 'success')::integer, 0),
            (NEW.state = 'failure')::integer - coalesce((OLD.state = 'failure')::integer, 0),
            waybill.file_bytes(NEW) - coalesce(waybill.file_bytes(OLD), 0));
    RETURN NULL;
END
$$;

-- Called once for all rows that a statement deletes, because a purge deletes many.
CREATE FUNCTION waybill.tally_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    INSERT INTO waybill.task_tally (project_id, enterprise_project_id, enterprise_projects, tasks)
    SELECT project_id, enterprise_project_id, enterprise_projects, -count(*) FROM deleted GROUP BY 1, 2, 3;
    INSERT INTO waybill.ended_tally (success, failure, file_bytes)
    SELECT -count(*) FILTER (WHERE state = 'success'), -count(*) FILTER (WHERE state = 'failure'),
           -sum(waybill.file_bytes(deleted))
    FROM deleted WHERE state IN ('success', 'failure') HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION waybill.tally_truncated() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    TRUNCATE waybill.task_tally, waybill.ended_tally;
    RETURN NULL;
END
$$;

CREATE TRIGGER task_added AFTER INSERT ON waybill.export_task FOR EACH ROW
    EXECUTE FUNCTION waybill.tally_task();
CREATE TRIGGER task_moved AFTER UPDATE OF project_id, enterprise_project_id, enterprise_projects
    ON waybill.export_task FOR EACH ROW
    EXECUTE FUNCTION waybill.tally_task();
CREATE TRIGGER ended_added AFTER INSERT ON waybill.export_task FOR EACH ROW
    WHEN (NEW.state IN ('success', 'failure'))
    EXECUTE FUNCTION waybill.tally_end();
CREATE TRIGGER ended_changed AFTER UPDATE OF state, file_removed, file_size, gzip_size
    ON waybill.export_task FOR EACH ROW
    WHEN (OLD.state IN ('success', 'failure') OR NEW.state IN ('success', 'failure'))
    EXECUTE FUNCTION waybill.tally_end();
CREATE TRIGGER task_deleted AFTER DELETE ON waybill.export_task REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.tally_deleted();
CREATE TRIGGER task_truncated AFTER TRUNCATE ON waybill.export_task
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.tally_truncated();

-- Creating the triggers locks the table against changes until this migration is committed.
INSERT INTO waybill.task_tally (project_id, enterprise_project_id, enterprise_projects, tasks, folded)
SELECT project_id, enterprise_project_id, enterprise_projects, count(*), true FROM waybill.export_task GROUP BY 1, 2, 3;
INSERT INTO waybill.ended_tally (success, failure, file_bytes)
SELECT count(*) FILTER (WHERE state = 'success'), count(*) FILTER (WHERE state = 'failure'),
       coalesce(sum(waybill.file_bytes(task)), 0)
FROM waybill.export_task task;

-- For reading one page of the list of the tasks of a project or of one enterprise project, in list order.
DROP INDEX waybill.export_task_of_project;
CREATE INDEX export_task_of_project ON waybill.export_task (project_id, create_time DESC, task_id);
CREATE INDEX export_task_of_enterprise_project
    ON waybill.export_task (project_id, enterprise_project_id, create_time DESC, task_id);

-- For housekeeping: files in the order in which they expire or are removed to free space, and tasks without a file.
DROP INDEX waybill.export_task_file;
CREATE INDEX export_task_file ON waybill.export_task (expire_time) WHERE state = 'success' AND NOT file_removed;
CREATE INDEX export_task_file_age ON waybill.export_task (finish_time, task_id)
    WHERE state = 'success' AND NOT file_removed;
DROP INDEX waybill.export_task_ended;
CREATE INDEX export_task_without_file ON waybill.export_task (finish_time) WHERE state = 'failure' OR file_removed;

GRANT SELECT, INSERT, UPDATE, DELETE ON waybill.task_tally, waybill.ended_tally TO waybill_service;
