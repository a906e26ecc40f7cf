-- The compressed twin of a file, which has the file's name and .gz, and goes with it; and what `waybill check` reads.

ALTER TABLE waybill.export_task
    ADD gzip_size bigint,
    ADD CHECK (gzip_size IS NULL OR state = 'success');

COMMENT ON COLUMN waybill.export_task.gzip_size IS 'Of the file''s compressed twin; NULL: it has none';

DROP INDEX waybill.export_task_file;
CREATE INDEX export_task_file ON waybill.export_task (expire_time) INCLUDE (file_size, gzip_size)
    WHERE state = 'success' AND NOT file_removed;

GRANT SELECT ON waybill.schema_migration TO waybill_service;
