-- The inventory: one row for each container.

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA waybill;

-- Text is compared and sorted bytewise: collation C.
CREATE TABLE waybill.container (
    project_id            text COLLATE "C" NOT NULL,
    container_id          text COLLATE "C" NOT NULL,
    enterprise_project_id text COLLATE "C" NOT NULL DEFAULT '0',
    container_name        text COLLATE "C",
    image_name            text COLLATE "C",
    pod_name              text COLLATE "C",
    cluster_name          text COLLATE "C",
    cluster_type          text COLLATE "C",
    status                text COLLATE "C",
    cluster_container     boolean,
    risky                 boolean,
    low_risk              integer,
    medium_risk           integer,
    high_risk             integer,
    fatal_risk            integer,
    restart_count         integer,
    create_time           timestamptz(3),
    cpu_limit             text COLLATE "C",
    memory_limit          text COLLATE "C",
    PRIMARY KEY (project_id, container_id)
);

COMMENT ON TABLE waybill.container IS 'The inventory that Waybill exports, one row for each container';

-- Returns the key of a quantity. Two quantities are equal if their keys are equal: quantity_key('1Gi') =
-- quantity_key('1024 Mi'). The key of a decimal number with an optional suffix is 'q' and the plain number. The key of
-- any other text is 't' and the text, so it never equals the key of a number.
CREATE FUNCTION waybill.quantity_key(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE
    WHEN pg_catalog.length(value) <= 64
         AND value OPERATOR(pg_catalog.~) '^([0-9]+\.?[0-9]*|\.[0-9]+)[ \t]*(m|([kKMGT]|[KMGT]i)?B?)$'
    THEN 'q' OPERATOR(pg_catalog.||) pg_catalog.trim_scale(
        pg_catalog.substring(value, '^[0-9.]+')::numeric
        OPERATOR(pg_catalog.*)
        CASE pg_catalog.substring(value, '(m|[kKMGT]i?)B?$')
            WHEN 'm'  THEN 0.001
            WHEN 'k'  THEN 1000
            WHEN 'K'  THEN 1000
            WHEN 'M'  THEN 1000000
            WHEN 'G'  THEN 1000000000
            WHEN 'T'  THEN 1000000000000
            WHEN 'Ki' THEN 1024
            WHEN 'Mi' THEN 1048576
            WHEN 'Gi' THEN 1073741824
            WHEN 'Ti' THEN 1099511627776
            ELSE 1
        END)::text
    ELSE 't' OPERATOR(pg_catalog.||) value
END;

-- The primary key returns the rows of a project in the order of an export. Each of these indexes finds
-- the rows of one filter. If a filter matches many rows of a project, the planner uses the primary key.
CREATE INDEX container_enterprise_project ON waybill.container (project_id, enterprise_project_id, container_id);
CREATE INDEX container_cluster_container  ON waybill.container (project_id, cluster_container);
CREATE INDEX container_cluster_type       ON waybill.container (project_id, cluster_type);
CREATE INDEX container_cluster_name       ON waybill.container (project_id, cluster_name);
CREATE INDEX container_container_name     ON waybill.container (project_id, container_name);
CREATE INDEX container_image_name         ON waybill.container (project_id, image_name);
CREATE INDEX container_pod_name           ON waybill.container (project_id, pod_name);
CREATE INDEX container_status             ON waybill.container (project_id, status);
CREATE INDEX container_risky              ON waybill.container (project_id, risky);
CREATE INDEX container_create_time        ON waybill.container (project_id, create_time);
CREATE INDEX container_cpu_limit          ON waybill.container (project_id, waybill.quantity_key(cpu_limit));
CREATE INDEX container_memory_limit       ON waybill.container (project_id, waybill.quantity_key(memory_limit));

-- Trigram indexes serve patterns that begin with a wildcard ("*nginx*").
CREATE INDEX container_cluster_name_trgm   ON waybill.container USING gin (cluster_name waybill.gin_trgm_ops);
CREATE INDEX container_container_name_trgm ON waybill.container USING gin (container_name waybill.gin_trgm_ops);
CREATE INDEX container_image_name_trgm     ON waybill.container USING gin (image_name waybill.gin_trgm_ops);
CREATE INDEX container_pod_name_trgm       ON waybill.container USING gin (pod_name waybill.gin_trgm_ops);

GRANT USAGE ON SCHEMA waybill TO waybill_service;
GRANT SELECT ON waybill.container TO waybill_service;
