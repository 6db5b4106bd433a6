-- The newest notifications of changed accounts among the processes that have the file open. Numbers never come again.
CREATE TABLE notification (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    sender     INTEGER NOT NULL
) STRICT;
