-- Makes the sample inventory as temporary tables: sample_cluster has the clusters, and sample_container the containers.
-- sample.sql and the scripts that print sample files (sample_clusters.sql, sample_pods.sql, sample_hosts.sql,
-- sample_reports.sql) include this script. A session that includes it again uses what it has.
--
-- Variables: rows (default 10000) and project (default demo).
--
-- Row n is computed from a hash of the project and n, so it is the same in every run, for any `rows`.

\if :{?sample_exists}
\else
\set sample_exists yes

\set ON_ERROR_STOP on
\set QUIET on
\if :{?rows}    \else \set rows 10000   \endif
\if :{?project} \else \set project demo \endif

-- The containers of a retail company.
CREATE TEMPORARY TABLE sample_cluster (cluster_no, cluster_name, cluster_type, registry) AS
VALUES
    (0,  'cce-prod-01',          'cce',            'swr.eu-west-101.myhuaweicloud.com/retail'),
    (1,  'cce-prod-02',          'cce',            'swr.eu-west-101.myhuaweicloud.com/retail'),
    (2,  'aks-prod-westeurope',  'azure',          'retailprod.azurecr.io'),
    (3,  'eks-prod-eu-west-1',   'aws',            '210987654321.dkr.ecr.eu-west-1.amazonaws.com'),
    (4,  'idc-frankfurt-core',   'self_built_idc', 'harbor.fra.retail.example/prod'),
    (5,  'ack-prod-hangzhou',    'ali',            'registry.cn-hangzhou.aliyuncs.com/retail'),
    (6,  'tke-prod-guangzhou',   'tencent',        'ccr.ccs.tencentyun.com/retail'),
    (7,  'k8s-ecs-batch',        'self_built_hw',  'swr.eu-west-101.myhuaweicloud.com/batch'),
    (8,  'cce-staging',          'cce',            'swr.eu-west-101.myhuaweicloud.com/staging'),
    (9,  'idc-warehouse-edge',   'self_built_idc', 'harbor.edge.retail.example/edge'),
    (10, 'eks-staging',          'aws',            '210987654321.dkr.ecr.eu-west-1.amazonaws.com'),
    (11, 'k8s-ecs-ci',           'self_built_hw',  'swr.eu-west-101.myhuaweicloud.com/ci'),
    (12, 'aks-sandbox',          'azure',          'retailsandbox.azurecr.io');

-- draw has the random values. Each uses its own bytes of the hash, but not the first bytes, which determine the order
-- of the container ids. OFFSET 0 makes PostgreSQL compute the hash once for each row.
CREATE TEMPORARY TABLE sample_container AS
WITH draw AS (
    SELECT
        n,
        encode(h, 'hex') AS container_id,
        get_byte(h, 8) >= 16 AS in_cluster,
        (get_byte(h, 9) * 256 + get_byte(h, 10)) / float8 '65536' AS cluster_share,
        (get_byte(h, 11) * 256 + get_byte(h, 12)) / float8 '65536' AS app_share,
        (get_byte(h, 13) * 65536 + get_byte(h, 14) * 256 + get_byte(h, 15)) / float8 '16777216' AS age_share,
        get_byte(h, 16) * 256 + get_byte(h, 17) AS ms,
        get_byte(h, 18) AS role,
        get_byte(h, 19) AS release,
        get_byte(h, 20) AS status,
        get_byte(h, 21) AS risk,
        get_byte(h, 22) AS low,
        get_byte(h, 23) AS medium,
        get_byte(h, 24) AS high,
        get_byte(h, 25) AS fatal,
        get_byte(h, 26) AS restart,
        get_byte(h, 27) AS limits
    FROM (
        SELECT n, sha256(convert_to(:'project' || '/' || n, 'UTF8')) AS h
        FROM generate_series(1, :rows) AS n OFFSET 0
    ) AS hashed
),
-- The properties that follow from the random values. A squared share favours low numbers: most containers are in the
-- first clusters, belong to the first applications, and are young.
chosen AS (
    SELECT
        n,
        container_id,
        CASE WHEN in_cluster THEN floor(13 * cluster_share * cluster_share)::integer END AS cluster_no,
        floor(24 * app_share * app_share)::integer AS app_no,
        CASE
            WHEN role < 90  THEN 'api'
            WHEN role < 150 THEN 'worker'
            WHEN role < 195 THEN 'web'
            WHEN role < 210 THEN 'scheduler'
            WHEN role < 226 THEN 'cache'
            WHEN role < 238 THEN 'db'
            WHEN role < 246 THEN 'node-exporter'
            WHEN role < 252 THEN 'fluent-bit'
            ELSE 'ingress-nginx'
        END AS role,
        release < 20 AS is_behind,
        CASE
            WHEN status < 225 THEN 'Running'
            WHEN status < 238 THEN 'Terminated'
            WHEN status < 249 THEN 'Waiting'
            WHEN status < 253 THEN 'Paused'
            ELSE 'Isolated'
        END AS status,
        CASE WHEN risk < 58 THEN low % 9    ELSE 0 END AS low_risk,
        CASE WHEN risk < 40 THEN medium % 6 ELSE 0 END AS medium_risk,
        CASE WHEN risk < 20 THEN high % 4   ELSE 0 END AS high_risk,
        -- Every isolated container has a fatal risk.
        CASE WHEN status >= 253 THEN 1 + fatal % 3
             WHEN risk < 5      THEN fatal % 2
             ELSE 0
        END AS fatal_risk,
        CASE
            WHEN status BETWEEN 238 AND 248 THEN restart * 3
            WHEN restart < 200              THEN 0
            WHEN restart < 248              THEN restart % 6
            ELSE restart % 8 * 17
        END AS restart_count,
        -- At most 180 days before 1 April 2026.
        timestamptz '2026-04-01 00:00:00+00'
            - (floor(15552000 * age_share * age_share) * 1000 + ms % 1000) * interval '1 millisecond'
            AS create_time,
        in_cluster OR limits < 40 AS is_limited
    FROM draw
),
placed AS (
    SELECT
        chosen.*,
        cluster.cluster_name,
        cluster.cluster_type,
        coalesce(cluster.registry, 'harbor.fra.retail.example/hosts') AS registry,
        role IN ('node-exporter', 'fluent-bit', 'ingress-nginx') AS is_daemon,
        role IN ('cache', 'db') AS is_stateful,
        (ARRAY['storefront', 'catalog', 'checkout', 'payment', 'search', 'orders', 'cart', 'pricing',
               'inventory', 'shipping', 'accounts', 'recommendation', 'notification', 'invoicing',
               'warehouse', 'reviews', 'media', 'fraud', 'loyalty', 'analytics', 'reporting',
               'support', 'suppliers', 'returns'])[1 + app_no] AS app,
        -- An application has one release in a cluster. A few pods still have the previous one.
        3 + (app_no * 5 + coalesce(chosen.cluster_no, 0) * 3) % 7 - is_behind::integer AS release,
        -- Selects the notation of the limits, which depends on application, role and cluster.
        app_no * 2 + length(role) + coalesce(chosen.cluster_no, 0) * 3 AS limits_no
    FROM chosen
    LEFT JOIN sample_cluster AS cluster USING (cluster_no)
)
SELECT
    app,
    container_id,
    CASE WHEN is_daemon THEN role ELSE app || '-' || role END AS container_name,
    CASE role
        WHEN 'cache'         THEN (ARRAY['redis:7.2.4-alpine', 'redis:6.2.14'])[1 + app_no % 2]
        WHEN 'db'            THEN (ARRAY['postgres:15.6', 'postgres:16.2', 'mysql:8.0.36'])[1 + app_no % 3]
        WHEN 'node-exporter' THEN 'prom/node-exporter:v1.7.0'
        WHEN 'fluent-bit'    THEN 'fluent/fluent-bit:2.2.2'
        WHEN 'ingress-nginx' THEN 'ingress-nginx/controller:v1.10.0'
        ELSE registry || '/' || app || '-' || role
             || ':' || 1 + app_no % 4 || '.' || release || '.' || (app_no * 7 + release) % 12
    END AS image_name,
    -- Kubernetes names pods by replica set and suffix, by ordinal, or by suffix only.
    CASE
        WHEN cluster_name IS NULL THEN NULL
        WHEN is_stateful THEN app || '-' || role || '-' || n / 1000
        ELSE
            CASE WHEN is_daemon THEN role
                 ELSE app || '-' || role || '-'
                      || translate(substr(md5(cluster_name || app || role || release), 1, 10),
                                   '0123456789abcdef', '456789bcdf456789')
            END
            || '-' || translate(right(container_id, 5), '0123456789abcdef', 'bdfhjlnptvxz2468')
    END AS pod_name,
    cluster_name,
    cluster_type,
    status,
    cluster_name IS NOT NULL AS is_clustered,
    low_risk + medium_risk + high_risk + fatal_risk > 0 AS risky,
    low_risk,
    medium_risk,
    high_risk,
    fatal_risk,
    restart_count,
    create_time,
    -- Limits as in real manifests: the same size in several notations, and often no limit.
    CASE
        WHEN NOT is_limited THEN NULL
        WHEN is_daemon THEN '100m'
        ELSE (ARRAY['500m', NULL, '1', '0.5', '250m', '2', NULL, '1000m', '200m', '4', '1.5'])
             [1 + limits_no % 11]
    END AS cpu_limit,
    CASE
        WHEN NOT is_limited THEN NULL
        WHEN is_daemon THEN '128Mi'
        ELSE (ARRAY['512Mi', '300Mi', '1Gi', NULL, '300 Mi', '2Gi', '1024Mi', '256M', '4Gi', '0.5Gi',
                    NULL, '1.5Gi', '314572800'])
             [1 + limits_no % 13]
    END AS memory_limit
FROM placed;

-- The scripts print nothing but the files.
\pset format unaligned
\pset tuples_only on
\set FETCH_COUNT 1000

\endif
