-- The gzip variant of a file. It has the name of the file with .gz appended, and is removed with the file. Also grants
-- the privilege that `waybill check` needs.

ALTER TABLE waybill.export_task
    ADD gzip_size bigint,
    ADD CHECK (gzip_size IS NULL OR state = 'success');

COMMENT ON COLUMN waybill.export_task.gzip_size IS 'Size of the gzip variant; NULL without one';

DROP INDEX waybill.export_task_file;
CREATE INDEX export_task_file ON waybill.export_task (expire_time) INCLUDE (file_size, gzip_size)
    WHERE state = 'success' AND NOT file_removed;

GRANT SELECT ON waybill.schema_migration TO waybill_service;
