-- Prints the containers of the sample inventory that are in no cluster, as `docker inspect` does.
--
-- Variables: those of sample_rows.sql.

\ir sample_rows.sql

\qecho '['
SELECT CASE WHEN row_number() OVER (ORDER BY container_id) > 1 THEN ',' ELSE '' END || json_build_object(
    'Id', container_id,
    'Created', to_char(create_time, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'State', json_build_object('Status', state, 'Running', state IN ('running', 'paused'), 'Paused', state = 'paused'),
    'Image', 'sha256:' || encode(sha256(image_name::bytea), 'hex'),
    'Name', '/' || container_name || '-' || left(container_id, 6),
    'RestartCount', restart_count,
    'HostConfig', json_build_object(
        'NanoCpus', coalesce(trunc(substr(waybill.quantity_key(cpu_limit), 2)::numeric * 1000000000), 0),
        'Memory', coalesce(trunc(substr(waybill.quantity_key(memory_limit), 2)::numeric), 0)),
    'Config', json_build_object('Image', image_name, 'Labels', json_build_object('com.example.app', app)))
FROM (
    SELECT *, CASE status WHEN 'Waiting' THEN 'restarting' WHEN 'Terminated' THEN 'exited'
                          WHEN 'Paused' THEN 'paused' ELSE 'running' END AS state
    FROM sample_container
    WHERE NOT is_clustered
) AS container
ORDER BY container_id;
\qecho ']'
