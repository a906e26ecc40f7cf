-- The tasks, which are also the queue: a task is claimed with FOR UPDATE SKIP LOCKED.

CREATE TABLE waybill.export_task (
    task_id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id            text COLLATE "C" NOT NULL,
    enterprise_project_id text COLLATE "C" NOT NULL,
    enterprise_projects   text[] COLLATE "C" CHECK (cardinality(enterprise_projects) > 0),
    export_size           integer NOT NULL CHECK (export_size BETWEEN 1 AND 100000),
    request               jsonb NOT NULL,
    request_id            text NOT NULL,
    state                 text NOT NULL DEFAULT 'queued'
                          CHECK (state IN ('queued', 'running', 'success', 'failure')),
    attempts              integer NOT NULL DEFAULT 0,
    lease                 uuid,
    lease_expire_time     timestamptz,
    progress              integer NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    exported_rows         bigint NOT NULL DEFAULT 0,
    truncated             boolean NOT NULL DEFAULT false,
    file_id               uuid UNIQUE,
    file_size             bigint,
    sha256                bytea CHECK (octet_length(sha256) = 32),
    error_code            text,
    error_msg             text,
    create_time           timestamptz(3) NOT NULL DEFAULT now(),
    finish_time           timestamptz(3),
    expire_time           timestamptz(3),
    CHECK ((state = 'running') = (lease IS NOT NULL)),
    CHECK ((state = 'running') = (lease_expire_time IS NOT NULL)),
    CHECK ((state = 'success') = (file_id IS NOT NULL)),
    CHECK ((state = 'failure') = (error_code IS NOT NULL)),
    CHECK ((state IN ('success', 'failure')) = (finish_time IS NOT NULL))
);

COMMENT ON COLUMN waybill.export_task.enterprise_project_id IS
    'The value in the request, which may be all_granted_eps';
COMMENT ON COLUMN waybill.export_task.enterprise_projects IS
    'The enterprise projects that the task exports; NULL means all';
COMMENT ON COLUMN waybill.export_task.request IS 'The accepted body';
COMMENT ON COLUMN waybill.export_task.lease IS
    'The claim of the process that runs the task; only its holder may end the task';

CREATE INDEX export_task_unfinished ON waybill.export_task (create_time) WHERE state IN ('queued', 'running');
CREATE INDEX export_task_unfinished_of_project ON waybill.export_task (project_id) WHERE state IN ('queued', 'running');
CREATE INDEX export_task_of_project ON waybill.export_task (project_id, create_time DESC);

GRANT SELECT, INSERT, UPDATE, DELETE ON waybill.export_task TO waybill_service;
