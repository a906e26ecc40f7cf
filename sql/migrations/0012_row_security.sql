-- Row level security: a second wall between tenants. The role waybill_service sees only the tasks and containers of the
-- scope of its transaction, even if a query lacks its conditions. The role waybill_worker serves all projects: it runs
-- the queue, housekeeping, schedules and notifications, and may not read the inventory.

DO $$
BEGIN
    IF pg_catalog.to_regrole('waybill_worker') IS NULL
       OR NOT pg_catalog.pg_has_role('waybill_service', 'waybill_worker', 'MEMBER') THEN
        RAISE 'there is no role waybill_worker of which waybill_service is a member: run setup.sql again, then'
              ' waybill migrate';
    END IF;
END
$$;

-- The scope is set for each transaction (src/db/scope.c): a project, and `all` of its enterprise projects or the input
-- format of text[]. Whatever is missing, empty or neither of them shows nothing.
CREATE FUNCTION waybill.scope_project() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(pg_catalog.current_setting('waybill.project_id', true), '');

CREATE FUNCTION waybill.scope_is_whole() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.current_setting('waybill.enterprise_projects', true) OPERATOR(pg_catalog.=) 'all';

CREATE FUNCTION waybill.scope_enterprise_projects() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN pg_catalog.starts_with(pg_catalog.current_setting('waybill.enterprise_projects', true), '{')
            THEN pg_catalog.current_setting('waybill.enterprise_projects', true)::text[] END;

-- Under row level security, the planner uses a condition of a query in an index only if its operator is leakproof. That
-- of bigint is, unlike the functions that make the keys. So the keys become columns, in one rewrite of the table.
DROP INDEX waybill.container_profile, waybill.container_label;
DO $$
BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE pg_catalog.format('DROP STATISTICS waybill.container_%s_profile, waybill.container_%s_label', i, i);
    END LOOP;
END
$$;

ALTER TABLE waybill.container
    ADD profile_key bigint GENERATED ALWAYS AS (
        waybill.profile_key(project_id, enterprise_project_id, cluster_container, cluster_type, cluster_name, status,
                            risky, cpu_limit, memory_limit, 0)) STORED,
    ADD label_key bigint GENERATED ALWAYS AS (
        waybill.label_key(project_id, container_name, image_name, waybill.pod_stem(pod_name), 0)) STORED;

COMMENT ON COLUMN waybill.container.profile_key IS
    'The key of the combination of attributes in waybill.inventory_profile';
COMMENT ON COLUMN waybill.container.label_key IS 'The key of the combination of names in waybill.inventory_label';

CREATE INDEX container_profile ON waybill.container (project_id, profile_key);
CREATE INDEX container_label ON waybill.container (project_id, label_key);

-- A key belongs to one project: see 0008_loading.sql.
DO $$
BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE pg_catalog.format('CREATE STATISTICS waybill.container_%s_profile (dependencies)'
                                  ' ON project_id, profile_key FROM waybill.container_%s', i, i);
        EXECUTE pg_catalog.format('CREATE STATISTICS waybill.container_%s_label (dependencies)'
                                  ' ON project_id, label_key FROM waybill.container_%s', i, i);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION waybill.inventory_tidy(project text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- The DELETE must see all that earlier holders of the lock committed, so it needs a snapshot from after the lock.
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed'
       OR NOT pg_catalog.pg_try_advisory_xact_lock(7305511993) THEN
        RETURN;
    END IF;
    DELETE FROM waybill.inventory_profile AS p
    WHERE p.project_id = inventory_tidy.project AND NOT EXISTS (
        SELECT FROM waybill.container AS c
        WHERE c.project_id = inventory_tidy.project AND c.profile_key = p.key);
    DELETE FROM waybill.inventory_label AS l
    WHERE l.project_id = inventory_tidy.project AND NOT EXISTS (
        SELECT FROM waybill.container AS c
        WHERE c.project_id = inventory_tidy.project AND c.label_key = l.key);
END
$$;

-- Other roles, such as waybill_loader and those of the site, keep what they were granted: the policy `grants` shows
-- them everything, unless the site has policies of its own. The owner is exempt from policies.
DO $$
DECLARE
    relation regclass;
BEGIN
    FOREACH relation IN ARRAY ARRAY['waybill.container', 'waybill.inventory_load', 'waybill.export_task',
                                    'waybill.task_tally', 'waybill.idempotency_key']::regclass[] LOOP
        IF NOT (SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = relation) THEN
            EXECUTE pg_catalog.format('CREATE POLICY grants ON %s USING (true) WITH CHECK (true)', relation);
            EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
        END IF;
    END LOOP;
END
$$;

-- A query reads the scope once, because it is a subquery. The planner expects that almost all rows have a value that IS
-- NOT NULL. Otherwise, it would multiply the number of rows that it expects with the selectivity of each condition,
-- although those of the query imply these.
--
-- inventory_profile and inventory_label have no policies, because indexes could not serve LIKE then. Their rows are no
-- containers: a query reads only keys from them, which lead to rows of waybill.container.
CREATE POLICY scope ON waybill.container AS RESTRICTIVE TO waybill_service
    USING (project_id = (SELECT waybill.scope_project())
           AND CASE WHEN (SELECT waybill.scope_is_whole())
                    OR enterprise_project_id = ANY ((SELECT waybill.scope_enterprise_projects())::text[])
                    THEN true END IS NOT NULL);
CREATE POLICY scope ON waybill.inventory_load AS RESTRICTIVE TO waybill_service
    USING (project_id = (SELECT waybill.scope_project()));
CREATE POLICY scope ON waybill.idempotency_key AS RESTRICTIVE TO waybill_service
    USING (project_id = (SELECT waybill.scope_project()));

-- A task that exports all enterprise projects (NULL) needs a scope of all.
CREATE POLICY scope ON waybill.export_task AS RESTRICTIVE TO waybill_service
    USING (project_id = (SELECT waybill.scope_project())
           AND CASE WHEN (SELECT waybill.scope_is_whole())
                    OR enterprise_projects <@ (SELECT waybill.scope_enterprise_projects())
                    THEN true END IS NOT NULL);
CREATE POLICY scope ON waybill.task_tally AS RESTRICTIVE TO waybill_service
    USING (project_id = (SELECT waybill.scope_project())
           AND CASE WHEN (SELECT waybill.scope_is_whole())
                    OR enterprise_projects <@ (SELECT waybill.scope_enterprise_projects())
                    THEN true END IS NOT NULL);

-- These triggers write tables that no request may change. They run as the owner of the schema. pg_temp is last, because
-- PostgreSQL otherwise looks there first.
ALTER FUNCTION waybill.discard_file() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION waybill.tally_task() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION waybill.tally_end() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION waybill.tally_deleted() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- The number of unfinished tasks of the scope's project, for the limit on them, which also counts the tasks that the
-- caller may not see.
CREATE FUNCTION waybill.unfinished_tasks() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT count(*) FROM waybill.export_task
        WHERE project_id = waybill.scope_project() AND state IN ('queued', 'running'));

-- What GET /metrics reports about all projects. It must not read the history: ended_tally counts the ended tasks, and
-- small indexes cover the others.
CREATE FUNCTION waybill.gauges(
    OUT queued bigint, OUT running bigint, OUT success bigint, OUT failure bigint, OUT oldest_queued double precision,
    OUT oldest_due double precision, OUT file_bytes bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT queued.tasks, running.tasks, ended.success, ended.failure, queued.oldest, due.oldest, ended.file_bytes
    FROM (SELECT count(*) AS tasks, coalesce(extract(epoch FROM now() - min(create_time)), 0) AS oldest
          FROM waybill.export_task WHERE state = 'queued') AS queued,
         (SELECT count(*) AS tasks FROM waybill.export_task WHERE state = 'running') AS running,
         (SELECT greatest(coalesce(extract(epoch FROM now() - min(next_run_time)), 0), 0) AS oldest
          FROM waybill.export_schedule) AS due,
         (SELECT coalesce(sum(t.success), 0) AS success, coalesce(sum(t.failure), 0) AS failure,
                 coalesce(sum(t.file_bytes), 0) AS file_bytes
          FROM waybill.ended_tally AS t) AS ended;
END;

-- The numbers of rows of the inventory, by the columns that `waybill check` reports on.
CREATE FUNCTION waybill.inventory_census()
RETURNS TABLE (project_id text, enterprise_project_id text, cluster_type text, status text, rows bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT c.project_id, c.enterprise_project_id, c.cluster_type, c.status, count(*)
    FROM waybill.container AS c GROUP BY 1, 2, 3, 4;
END;

REVOKE EXECUTE ON FUNCTION
    waybill.discard_file, waybill.tally_task, waybill.tally_end, waybill.tally_deleted, waybill.unfinished_tasks,
    waybill.gauges, waybill.inventory_census
FROM PUBLIC;

-- What requests need.
REVOKE ALL ON waybill.export_task, waybill.task_tally, waybill.ended_tally, waybill.discarded_file,
    waybill.schedule_run, waybill.notification, waybill.idempotency_key
FROM waybill_service;
GRANT SELECT, INSERT, DELETE, UPDATE (kept, expire_time) ON waybill.export_task TO waybill_service;
GRANT SELECT ON waybill.task_tally TO waybill_service;
GRANT SELECT, INSERT, UPDATE ON waybill.idempotency_key TO waybill_service;
GRANT SELECT, INSERT, UPDATE ON waybill.schedule_run TO waybill_service;
GRANT DELETE, SELECT (schedule_id), UPDATE (receiver) ON waybill.notification TO waybill_service;
GRANT EXECUTE ON FUNCTION waybill.unfinished_tasks, waybill.gauges TO waybill_service;

-- What the threads need that serve all projects.
GRANT USAGE ON SCHEMA waybill TO waybill_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON waybill.export_task, waybill.task_tally, waybill.ended_tally,
    waybill.schedule_run, waybill.notification
TO waybill_worker;
GRANT SELECT, UPDATE ON waybill.export_schedule TO waybill_worker;
GRANT SELECT, DELETE ON waybill.discarded_file TO waybill_worker;
GRANT SELECT, UPDATE, DELETE ON waybill.idempotency_key TO waybill_worker;
GRANT SELECT, INSERT, UPDATE ON waybill.counter TO waybill_worker;
GRANT SELECT ON waybill.credential TO waybill_worker;
GRANT EXECUTE ON FUNCTION waybill.unfinished_tasks, waybill.inventory_census TO waybill_worker;

ANALYZE waybill.container;
