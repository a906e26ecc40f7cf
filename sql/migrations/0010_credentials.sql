-- Tokens and access keys have permissions, and record when they were last used.

ALTER TABLE waybill.access_token RENAME TO credential;
ALTER TABLE waybill.credential RENAME COLUMN token_id TO credential_id;
ALTER TABLE waybill.export_schedule RENAME COLUMN token_id TO credential_id;

-- A credential is a token, of which only the SHA-256 is stored, or an access key with its encrypted secret.
ALTER TABLE waybill.credential
    ALTER COLUMN token_sha256 DROP NOT NULL,
    ADD access_key text COLLATE "C" UNIQUE CHECK (access_key <> ''),
    ADD sealed_secret text,
    ADD permissions text[] COLLATE "C" NOT NULL DEFAULT '{create,read,schedule}'
        CHECK (cardinality(permissions) > 0 AND permissions <@ '{create,read,schedule}'),
    ADD last_use_time timestamptz,
    ADD CHECK ((token_sha256 IS NULL) = (access_key IS NOT NULL)),
    ADD CHECK ((access_key IS NULL) = (sealed_secret IS NULL));

COMMENT ON TABLE waybill.credential IS 'The tokens and access keys of callers';
COMMENT ON COLUMN waybill.credential.enterprise_projects IS
    'The enterprise projects that the caller may see; NULL means all';
COMMENT ON COLUMN waybill.credential.sealed_secret IS
    'The secret of the access key, encrypted under [access] key_file (src/access/key_ring.h)';
COMMENT ON COLUMN waybill.credential.last_use_time IS 'The hour of the last use; NULL means never';
COMMENT ON COLUMN waybill.export_schedule.credential_id IS
    'The credential that made or last changed the schedule, and whose grants its runs have; NULL means the operator, or'
    ' a caller that an identity service has identified';

COMMENT ON COLUMN waybill.export_schedule.notify_secret IS
    'The secret of the notifications, encrypted under [access] key_file, or plain if there was no such file'
    ' (src/schedule/notify_secret.h)';

-- Ends the waiting requests of a revoked credential.
CREATE FUNCTION waybill.announce_revocation() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('waybill_access', NEW.credential_id::text);
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION waybill.announce_revocation FROM PUBLIC;

CREATE TRIGGER credential_revoked AFTER UPDATE OF revoke_time ON waybill.credential FOR EACH ROW
    WHEN (NEW.revoke_time IS NOT NULL AND OLD.revoke_time IS NULL)
    EXECUTE FUNCTION waybill.announce_revocation();

GRANT UPDATE (last_use_time) ON waybill.credential TO waybill_service;
