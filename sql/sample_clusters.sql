-- Prints the name and the type of each cluster of the sample inventory, separated by a blank.

\set QUIET on
\ir sample_rows.sql
\pset format unaligned
\pset tuples_only on
\set FETCH_COUNT 1000

SELECT cluster_name || ' ' || cluster_type FROM sample_cluster ORDER BY cluster_no;
