-- Prints the pods of one cluster of the sample inventory, as `kubectl get pods -A -o json` does.
--
--     psql -d waybill -U waybill_owner -XAt -v cluster=cce-prod-01 -f sql/sample_pods.sql
--
-- Variables: cluster, and those of sample_rows.sql.

\ir sample_rows.sql

\qecho '{"apiVersion": "v1", "items": ['
SELECT CASE WHEN row_number() OVER (ORDER BY container_id) > 1 THEN ',' ELSE '' END || json_build_object(
    'apiVersion', 'v1',
    'kind', 'Pod',
    'metadata', json_build_object(
        'creationTimestamp', to_char(create_time, time_format), 'labels', json_build_object('app', container_name),
        'name', pod_name, 'namespace', app, 'uid', md5(container_id)::uuid),
    'spec', json_build_object(
        'containers', json_build_array(json_build_object(
            'image', image_name, 'imagePullPolicy', 'IfNotPresent', 'name', container_name,
            'resources', CASE WHEN limits IS NULL THEN '{}' ELSE json_build_object('limits', limits) END)),
        'restartPolicy', 'Always', 'serviceAccountName', 'default'),
    'status', json_build_object(
        'containerStatuses', json_build_array(json_build_object(
            'containerID', 'containerd://' || container_id, 'image', image_name, 'lastState', json_build_object(),
            'name', container_name, 'ready', state = 'running', 'restartCount', restart_count,
            'state', json_build_object(state, CASE state
                WHEN 'running' THEN json_build_object('startedAt', to_char(create_time, time_format))
                WHEN 'waiting' THEN json_build_object('reason', 'CrashLoopBackOff')
                ELSE json_build_object('exitCode', 0, 'reason', 'Completed',
                                       'startedAt', to_char(create_time, time_format))
            END))),
        'phase', CASE state WHEN 'terminated' THEN 'Succeeded' ELSE 'Running' END))
FROM (
    SELECT *, 'YYYY-MM-DD"T"HH24:MI:SS"Z"' AS time_format,
           CASE status WHEN 'Waiting' THEN 'waiting' WHEN 'Terminated' THEN 'terminated' ELSE 'running' END AS state,
           -- Kubernetes accepts no blank in a quantity.
           (SELECT json_object_agg(resource, replace(size, ' ', ''))
            FROM (VALUES ('cpu', cpu_limit), ('memory', memory_limit)) AS l (resource, size)
            WHERE size IS NOT NULL) AS limits
    FROM sample_container
    WHERE cluster_name = :'cluster'
) AS pod
ORDER BY container_id;
\qecho '], "kind": "List", "metadata": {"resourceVersion": ""}}'
