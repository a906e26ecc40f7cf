-- Prints a report on each image of the sample inventory, one a line, as `trivy image --format json` prints them. The
-- vulnerabilities are computed from a hash of the name.
--
-- Variables: those of sample_rows.sql.

\ir sample_rows.sql

WITH image AS (
    SELECT image_name, sha256(image_name::bytea) AS h FROM (SELECT DISTINCT image_name FROM sample_container) AS i
)
SELECT json_build_object(
    'SchemaVersion', 2,
    'CreatedAt', '2026-04-01T00:00:00Z',
    'ArtifactName', image_name,
    'ArtifactType', 'container_image',
    'Metadata', json_build_object(
        'OS', json_build_object('Family', 'debian', 'Name', '12.5'),
        'RepoTags', json_build_array(image_name),
        'RepoDigests', json_build_array(regexp_replace(image_name, ':[^:/]*$', '') || '@sha256:' || encode(h, 'hex'))),
    'Results', json_build_array(json_build_object(
        'Target', image_name || ' (debian 12.5)', 'Class', 'os-pkgs', 'Type', 'debian',
        'Vulnerabilities', (
            SELECT json_agg(json_build_object(
                'VulnerabilityID', format('CVE-%s-%s', 2023 + get_byte(h, number) % 3,
                                          1000 + get_byte(h, number + 1) * 256 + get_byte(h, number + 2)),
                'PkgName', (ARRAY['openssl', 'zlib1g', 'libc6', 'libexpat1', 'libcurl4', 'perl-base'])
                           [1 + get_byte(h, number + 3) % 6],
                'Severity', severity))
            FROM (VALUES ('LOW', get_byte(h, 1) % 9), ('MEDIUM', get_byte(h, 2) % 6), ('HIGH', get_byte(h, 3) % 4),
                         ('CRITICAL', get_byte(h, 4) % 8 / 7)) AS risk (severity, count)
            CROSS JOIN generate_series(1, count) AS number
            WHERE get_byte(h, 0) < 58))))
FROM image
ORDER BY image_name;
