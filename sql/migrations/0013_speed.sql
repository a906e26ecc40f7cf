-- Creating a task counts no further than it must, and no longer waits for other transactions.

-- The number of unfinished tasks of the scope's project, for the limit on them. It also counts the tasks that the
-- caller may not see, but not more than `at_most`.
CREATE FUNCTION waybill.unfinished_tasks(at_most bigint) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT count(*) FROM (SELECT FROM waybill.export_task
                              WHERE project_id = waybill.scope_project() AND state IN ('queued', 'running')
                              LIMIT at_most) AS unfinished);

-- The number of running exports of all projects, but not more than `at_most`.
CREATE FUNCTION waybill.running_exports(at_most bigint) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT count(*) FROM (SELECT FROM waybill.export_task
                              WHERE state = 'running' AND lease_expire_time >= now()
                              LIMIT at_most) AS running);

REVOKE EXECUTE ON FUNCTION waybill.unfinished_tasks(bigint), waybill.running_exports FROM PUBLIC;
GRANT EXECUTE ON FUNCTION waybill.unfinished_tasks(bigint), waybill.running_exports TO waybill_service, waybill_worker;
DROP FUNCTION waybill.unfinished_tasks();
