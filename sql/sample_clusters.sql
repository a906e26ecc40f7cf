-- Prints the name and the type of each cluster of the sample inventory, separated by a blank.

\ir sample_rows.sql

SELECT cluster_name || ' ' || cluster_type FROM sample_cluster ORDER BY cluster_no;
