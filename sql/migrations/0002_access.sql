-- The tokens of callers. Only the SHA-256 of a token is stored.

CREATE TABLE waybill.access_token (
    token_id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_sha256        bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    name                text NOT NULL DEFAULT '',
    project_id          text COLLATE "C" NOT NULL,
    enterprise_projects text[] COLLATE "C" CHECK (cardinality(enterprise_projects) > 0),
    create_time         timestamptz NOT NULL DEFAULT now(),
    expire_time         timestamptz,
    revoke_time         timestamptz
);

COMMENT ON COLUMN waybill.access_token.enterprise_projects IS
    'The enterprise projects that the token may see; NULL means all';
COMMENT ON COLUMN waybill.access_token.expire_time IS 'NULL means never';

GRANT SELECT ON waybill.access_token TO waybill_service;
