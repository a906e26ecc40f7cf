-- The inventory is partitioned by project, has few indexes, and records where each row comes from.

-- Returns the stem of the name of a pod: the name without the digits and consonants at its end. Kubernetes generates
-- the end of most names from these characters, so that few stems exist: the stem of 'payment-api-7d4b9c-x2k4p' is
-- 'payment-api-7d4b9c-'.
CREATE FUNCTION waybill.pod_stem(pod_name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.rtrim(pod_name, 'bcdfghjklmnpqrstvwxz0123456789');

-- Many containers have the same attributes, and the same labels. The keys of these combinations find the containers:
-- two rows with equal combinations have equal keys. The seed makes independent keys.
CREATE FUNCTION waybill.profile_key(
    project_id text, enterprise_project_id text, cluster_container boolean, cluster_type text, cluster_name text,
    status text, risky boolean, cpu_limit text, memory_limit text, seed bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.hash_record_extended(ROW(project_id, enterprise_project_id, cluster_container, cluster_type,
                                           cluster_name, status, risky, cpu_limit, memory_limit), seed);

CREATE FUNCTION waybill.label_key(
    project_id text, container_name text, image_name text, pod_stem text, seed bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.hash_record_extended(ROW(project_id, container_name, image_name, pod_stem), seed);

-- The key under which the names of an image are equal: `docker.io/library/`, `docker.io/` and a missing `:latest` make
-- no difference. With a digest, the tag makes none.
CREATE FUNCTION waybill.image_key(image text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.regexp_replace(
    CASE
        WHEN pg_catalog.strpos(image, '@') > 0
        THEN pg_catalog.regexp_replace(image, '(:[^:/@]*)?@', '@')
        WHEN image OPERATOR(pg_catalog.~) ':[^/]*$'
        THEN image
        ELSE image OPERATOR(pg_catalog.||) ':latest'
    END,
    '^(index\.)?docker\.io/(library/)?', '');

ALTER TABLE waybill.container RENAME TO container_before_0008;

-- Columns that the site has added stay.
CREATE TABLE waybill.container (
    LIKE waybill.container_before_0008 INCLUDING DEFAULTS INCLUDING COMMENTS,
    source         text COLLATE "C" NOT NULL DEFAULT '',
    risks_reported boolean NOT NULL DEFAULT false
) PARTITION BY HASH (project_id);

COMMENT ON TABLE waybill.container IS 'The inventory that Waybill exports, one row for each container';
COMMENT ON COLUMN waybill.container.source IS
    'What loaded the row, such as the name of a cluster; a load with --replace removes only rows of its own source';
COMMENT ON COLUMN waybill.container.risks_reported IS
    'The risks come from a report on the image, and a newer report replaces them';

-- The distinct combinations of attributes and of labels in each project. An export finds the combinations that match
-- its filters, and then their containers by key. Triggers add combinations. waybill.inventory_tidy removes those that
-- no container has any more. A combination has two independent keys, so that two different ones never share both.
CREATE TABLE waybill.inventory_profile (
    project_id            text COLLATE "C" NOT NULL,
    key                   bigint NOT NULL,
    check_key             bigint NOT NULL,
    enterprise_project_id text COLLATE "C" NOT NULL,
    cluster_container     boolean,
    cluster_type          text COLLATE "C",
    cluster_name          text COLLATE "C",
    status                text COLLATE "C",
    risky                 boolean,
    cpu_limit             text COLLATE "C",
    memory_limit          text COLLATE "C"
) PARTITION BY HASH (project_id);
CREATE TABLE waybill.inventory_label (
    project_id            text COLLATE "C" NOT NULL,
    key                   bigint NOT NULL,
    check_key             bigint NOT NULL,
    container_name        text COLLATE "C",
    image_name            text COLLATE "C",
    pod_stem              text COLLATE "C"
) PARTITION BY HASH (project_id);

COMMENT ON TABLE waybill.inventory_profile IS 'The distinct combinations of attributes in waybill.container';
COMMENT ON TABLE waybill.inventory_label IS 'The distinct combinations of names in waybill.container';

CREATE UNIQUE INDEX inventory_profile_key ON waybill.inventory_profile (project_id, key, check_key);
CREATE UNIQUE INDEX inventory_label_key ON waybill.inventory_label (project_id, key, check_key);

-- Where names hardly repeat, there are almost as many combinations as containers. These indexes find the matching ones,
-- but those of all projects in the partition.
CREATE INDEX inventory_label_container_name ON waybill.inventory_label
    USING gin (container_name waybill.gin_trgm_ops);
CREATE INDEX inventory_label_image_name ON waybill.inventory_label
    USING gin (image_name waybill.gin_trgm_ops);
CREATE INDEX inventory_label_pod_stem ON waybill.inventory_label
    USING gin (pod_stem waybill.gin_trgm_ops);

-- A limit can be longer than an entry of a btree index.
CREATE INDEX inventory_profile_cpu_limit ON waybill.inventory_profile
    USING hash (waybill.quantity_key(cpu_limit));
CREATE INDEX inventory_profile_memory_limit ON waybill.inventory_profile
    USING hash (waybill.quantity_key(memory_limit));

-- Adds the combinations of inserted or updated rows. The lock is shared with other writers and excludes
-- waybill.inventory_tidy, which must not remove a combination that a transaction is about to rely on. A writer waits
-- for another that adds the same combination. The order of the keys prevents that two statements wait for each other.
--
-- This function and the two below run as the owner of the schema. Their search_path names pg_temp last: PostgreSQL
-- otherwise looks there first, and would use a temporary type of the caller in place of its own.
CREATE FUNCTION waybill.add_combinations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(7305511993);
    INSERT INTO waybill.inventory_profile
    SELECT project_id,
           waybill.profile_key(project_id, enterprise_project_id, cluster_container, cluster_type, cluster_name, status,
                               risky, cpu_limit, memory_limit, 0),
           waybill.profile_key(project_id, enterprise_project_id, cluster_container, cluster_type, cluster_name, status,
                               risky, cpu_limit, memory_limit, 1),
           enterprise_project_id, cluster_container, cluster_type, cluster_name, status, risky, cpu_limit, memory_limit
    FROM (SELECT DISTINCT project_id, enterprise_project_id, cluster_container, cluster_type, cluster_name, status,
                          risky, cpu_limit, memory_limit
          FROM changed) AS combination
    ORDER BY 2, 3
    ON CONFLICT DO NOTHING;
    INSERT INTO waybill.inventory_label
    SELECT project_id,
           waybill.label_key(project_id, container_name, image_name, pod_stem, 0),
           waybill.label_key(project_id, container_name, image_name, pod_stem, 1),
           container_name, image_name, pod_stem
    FROM (SELECT DISTINCT project_id, container_name, image_name, waybill.pod_stem(pod_name) AS pod_stem
          FROM changed) AS combination
    ORDER BY 2, 3
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

-- Otherwise, any role could make it a trigger of a table of its own, and pass types whose casts run as the owner.
REVOKE EXECUTE ON FUNCTION waybill.add_combinations FROM PUBLIC;

-- The partitions also have the triggers, for rows that are written to a partition directly.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['container', 'inventory_profile', 'inventory_label'] LOOP
        FOR i IN 0..15 LOOP
            EXECUTE pg_catalog.format('CREATE TABLE waybill.%s_%s PARTITION OF waybill.%s'
                                      ' FOR VALUES WITH (MODULUS 16, REMAINDER %s)', name, i, name, i);
        END LOOP;
    END LOOP;
    FOREACH name IN ARRAY ARRAY['container']
                          || ARRAY(SELECT 'container_' || i FROM pg_catalog.generate_series(0, 15) AS i) LOOP
        EXECUTE pg_catalog.format('CREATE TRIGGER add_combinations_of_inserted AFTER INSERT ON waybill.%s'
                                  ' REFERENCING NEW TABLE AS changed'
                                  ' FOR EACH STATEMENT EXECUTE FUNCTION waybill.add_combinations()', name);
        EXECUTE pg_catalog.format('CREATE TRIGGER add_combinations_of_updated AFTER UPDATE ON waybill.%s'
                                  ' REFERENCING NEW TABLE AS changed'
                                  ' FOR EACH STATEMENT EXECUTE FUNCTION waybill.add_combinations()', name);
    END LOOP;
END
$$;

-- The existing rows, in the order in which exports read them. The indexes follow, because that is faster.
INSERT INTO waybill.container
SELECT old.*, '', false
FROM waybill.container_before_0008 AS old
ORDER BY project_id, container_id;

-- The privileges that the site has granted, such as those of its own loaders, also on single columns.
DO $$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT acl.privilege_type || coalesce(' (' || pg_catalog.quote_ident(granted.attname) || ')', '') AS privilege,
               acl.is_grantable,
               CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END AS grantee
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL (
            SELECT c.relacl, NULL AS attname
            UNION ALL
            SELECT a.attacl, a.attname FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS granted (acl, attname)
        CROSS JOIN pg_catalog.aclexplode(granted.acl) AS acl
        WHERE c.oid = 'waybill.container_before_0008'::regclass AND acl.grantee <> c.relowner
    LOOP
        EXECUTE pg_catalog.format('GRANT %s ON waybill.container TO %s%s', held.privilege, held.grantee,
                                  CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
END
$$;

-- Fails if objects of the site, such as views, use the old table. Drop them before the migration, and create them again
-- after it.
DROP TABLE waybill.container_before_0008;

-- The primary key returns the rows of a project in the order of an export.
ALTER TABLE waybill.container ADD PRIMARY KEY (project_id, container_id);
CREATE INDEX container_create_time ON waybill.container (project_id, create_time);
CREATE INDEX container_profile ON waybill.container (
    project_id,
    waybill.profile_key(project_id, enterprise_project_id, cluster_container, cluster_type, cluster_name, status, risky,
                        cpu_limit, memory_limit, 0));
CREATE INDEX container_label ON waybill.container (
    project_id,
    waybill.label_key(project_id, container_name, image_name, waybill.pod_stem(pod_name), 0));

-- A key belongs to one project. The planner learns it from these statistics. Otherwise, it would expect the fewer rows
-- for a key the more projects there are.
DO $$
BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE pg_catalog.format(
            'CREATE STATISTICS waybill.container_%s_profile (dependencies) ON project_id,'
            ' (waybill.profile_key(project_id, enterprise_project_id, cluster_container, cluster_type, cluster_name,'
            ' status, risky, cpu_limit, memory_limit, 0)) FROM waybill.container_%s', i, i);
        EXECUTE pg_catalog.format(
            'CREATE STATISTICS waybill.container_%s_label (dependencies) ON project_id,'
            ' (waybill.label_key(project_id, container_name, image_name, waybill.pod_stem(pod_name), 0))'
            ' FROM waybill.container_%s', i, i);
    END LOOP;
END
$$;

CREATE TABLE waybill.inventory_load (
    project_id text COLLATE "C" PRIMARY KEY,
    load_time  timestamptz(3) NOT NULL
);

COMMENT ON TABLE waybill.inventory_load IS 'When the inventory of a project was last loaded';

CREATE TABLE waybill.image_report (
    project_id  text COLLATE "C" NOT NULL,
    image_key   text COLLATE "C" NOT NULL,
    low_risk    integer NOT NULL,
    medium_risk integer NOT NULL,
    high_risk   integer NOT NULL,
    fatal_risk  integer NOT NULL,
    load_time   timestamptz(3) NOT NULL,
    PRIMARY KEY (project_id, image_key)
);

COMMENT ON TABLE waybill.image_report IS
    'The risks of images, from their newest reports; the key of an image is waybill.image_key of its name';

-- A role that loads the inventory calls these functions after a load. The first makes the statistics of the planner
-- current. The second removes the combinations that no container has any more, unless a writer is at work or the
-- isolation level is not READ COMMITTED; it qualifies its parameter, because the site may have added a column of this
-- name.
CREATE FUNCTION waybill.inventory_analyze(project text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    partition regclass;
BEGIN
    FOREACH name IN ARRAY ARRAY['container', 'inventory_profile', 'inventory_label'] LOOP
        EXECUTE pg_catalog.format('SELECT tableoid FROM waybill.%s WHERE project_id = $1 LIMIT 1', name)
            INTO partition USING project;
        IF partition IS NOT NULL THEN
            EXECUTE pg_catalog.format('ANALYZE %s', partition);
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION waybill.inventory_tidy(project text) RETURNS void
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
        WHERE c.project_id = inventory_tidy.project
        AND waybill.profile_key(c.project_id, c.enterprise_project_id, c.cluster_container, c.cluster_type,
                                c.cluster_name, c.status, c.risky, c.cpu_limit, c.memory_limit, 0) = p.key);
    DELETE FROM waybill.inventory_label AS l
    WHERE l.project_id = inventory_tidy.project AND NOT EXISTS (
        SELECT FROM waybill.container AS c
        WHERE c.project_id = inventory_tidy.project
        AND waybill.label_key(c.project_id, c.container_name, c.image_name, waybill.pod_stem(c.pod_name), 0) = l.key);
END
$$;

REVOKE EXECUTE ON FUNCTION waybill.inventory_analyze, waybill.inventory_tidy FROM PUBLIC;

-- Exports read these tables too, so each role of the site that may read the inventory may read them.
DO $$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END
        FROM pg_catalog.pg_class AS c
        CROSS JOIN pg_catalog.aclexplode(c.relacl) AS acl
        WHERE c.oid = 'waybill.container'::regclass AND acl.privilege_type = 'SELECT'
        UNION
        SELECT 'waybill_service'
    LOOP
        EXECUTE pg_catalog.format('GRANT SELECT ON waybill.inventory_profile, waybill.inventory_label,'
                                  ' waybill.inventory_load TO %s', reader);
    END LOOP;
END
$$;

-- Grants to the role that may write the inventory, and nothing else. `waybill migrate` calls this function each time,
-- because sql/setup.sql can create the role after this migration.
CREATE FUNCTION waybill.grant_to_loader() RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'waybill_loader') THEN
        GRANT USAGE ON SCHEMA waybill TO waybill_loader;
        GRANT SELECT, INSERT, UPDATE, DELETE ON waybill.container TO waybill_loader;
        GRANT SELECT, INSERT, UPDATE ON waybill.inventory_load, waybill.image_report TO waybill_loader;
        GRANT SELECT ON waybill.inventory_label TO waybill_loader;
        GRANT EXECUTE ON FUNCTION waybill.inventory_analyze, waybill.inventory_tidy TO waybill_loader;
    END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION waybill.grant_to_loader FROM PUBLIC;

ANALYZE waybill.container, waybill.inventory_profile, waybill.inventory_label;
