-- Loads a sample inventory: the containers in the clusters of a retail company.
--
--     psql -d waybill -U waybill_owner -v rows=10000 -f sql/sample.sql
--
-- Variables: rows (default 10000) and project (default demo). A run with more rows adds the missing ones. Existing rows
-- remain unchanged.

\ir sample_rows.sql

INSERT INTO waybill.container (
    project_id, container_id, container_name, image_name, pod_name,
    cluster_name, cluster_type, status, cluster_container, risky,
    low_risk, medium_risk, high_risk, fatal_risk, restart_count, create_time,
    cpu_limit, memory_limit)
SELECT
    :'project', container_id, container_name, image_name, pod_name,
    cluster_name, cluster_type, status, is_clustered, risky,
    low_risk, medium_risk, high_risk, fatal_risk, restart_count, create_time,
    cpu_limit, memory_limit
FROM sample_container
ON CONFLICT DO NOTHING;

ANALYZE waybill.container;
