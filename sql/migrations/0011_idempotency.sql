-- Idempotency keys: a client that repeats a request with the same key gets the task of the first request.

CREATE TABLE waybill.idempotency_key (
    project_id     text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL CHECK (key <> ''),
    request_sha256 bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
    task_id        uuid NOT NULL,
    create_time    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, key)
);

COMMENT ON TABLE waybill.idempotency_key IS 'The values of Idempotency-Key of the last 24 hours';
COMMENT ON COLUMN waybill.idempotency_key.request_sha256 IS
    'The SHA-256 of the body, the query and the enterprise projects that the task exports (src/export/idempotency.c)';
COMMENT ON COLUMN waybill.idempotency_key.task_id IS 'The task of the first request, which may have been removed since';

-- For housekeeping.
CREATE INDEX idempotency_key_age ON waybill.idempotency_key (create_time);

GRANT SELECT, INSERT, UPDATE, DELETE ON waybill.idempotency_key TO waybill_service;
