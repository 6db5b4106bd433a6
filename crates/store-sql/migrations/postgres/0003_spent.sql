-- The archive of refresh tokens that were presented and that their rows no longer list: the first eight bytes of the
-- fingerprint, and the last day (counted from 1970) on which it is remembered. Read by logins alone.
CREATE TABLE solekey.spent (
    token bigint  PRIMARY KEY,
    until integer NOT NULL
);
