-- The ledger's tables, as migrations: the schema's version is how many have been applied. A released
-- migration is never changed; a new one is added at the end. Columns of a table are the fields of its record
-- in `records.py`, by name. `{s}` is the schema's prefix, the other names in braces are types: see `schema.py`.

-- migration
CREATE TABLE {s}calls (
    id {int} PRIMARY KEY, ref TEXT NOT NULL, at {real} NOT NULL, day TEXT NOT NULL,
    task TEXT NOT NULL, skills TEXT NOT NULL, difficulty {real} NOT NULL,
    source TEXT NOT NULL, confidence {real} NOT NULL, tier TEXT NOT NULL,
    rule TEXT NOT NULL, reason TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL,
    judge TEXT NOT NULL, cost_usd {money}, baseline TEXT NOT NULL, baseline_usd {money},
    saved_usd {money}, time_s {real} NOT NULL);
CREATE INDEX calls_by_day ON {s}calls (day);
CREATE INDEX calls_by_ref ON {s}calls (ref);
CREATE TABLE {s}attempts (
    id {numbered} PRIMARY KEY, call {int} NOT NULL, number {int} NOT NULL,
    at {real} NOT NULL, day TEXT NOT NULL, role TEXT NOT NULL, provider TEXT NOT NULL,
    model TEXT NOT NULL, name TEXT NOT NULL, skill TEXT NOT NULL, served TEXT NOT NULL,
    fault TEXT NOT NULL, status {int} NOT NULL, input {int}, cached {int},
    cache_writes {int}, output {int}, reasoning {int}, cost_usd {money},
    cost_kind TEXT NOT NULL, charged_usd {money}, time_s {real} NOT NULL,
    first_token_s {real}, expected_output {int}, UNIQUE (call, number));
CREATE INDEX attempts_by_day ON {s}attempts (day);
CREATE TABLE {s}outcomes (
    id {renumbered}, call {int} NOT NULL, at {real} NOT NULL, model TEXT NOT NULL,
    skills TEXT NOT NULL, difficulty {real} NOT NULL, good {real} NOT NULL,
    kind TEXT NOT NULL, task TEXT NOT NULL, note TEXT NOT NULL,
    UNIQUE (call, kind, model));
CREATE TABLE {s}holds (
    id {int} PRIMARY KEY, owner TEXT NOT NULL, pid {int} NOT NULL, started TEXT NOT NULL,
    expires {real} NOT NULL, day TEXT NOT NULL, model TEXT NOT NULL, skill TEXT NOT NULL,
    usd {money} NOT NULL);
CREATE TABLE {s}texts (
    call {int} PRIMARY KEY, prompt TEXT NOT NULL, answer TEXT NOT NULL,
    history TEXT NOT NULL);
CREATE TABLE {s}cooldowns (
    key TEXT PRIMARY KEY, until {real} NOT NULL, fault TEXT NOT NULL);

-- migration
ALTER TABLE {s}calls ADD COLUMN client TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}attempts ADD COLUMN client TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}holds ADD COLUMN call {int} NOT NULL DEFAULT 0;
ALTER TABLE {s}holds ADD COLUMN number {int} NOT NULL DEFAULT 0;
ALTER TABLE {s}holds ADD COLUMN provider TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}holds ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}holds ADD COLUMN client TEXT NOT NULL DEFAULT '';

-- migration
ALTER TABLE {s}calls ADD COLUMN flags TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}calls ADD COLUMN session TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}calls ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}calls ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}calls ADD COLUMN user_name TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}attempts ADD COLUMN session TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}attempts ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}attempts ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}attempts ADD COLUMN user_name TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}holds ADD COLUMN session TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}holds ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}holds ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE {s}holds ADD COLUMN user_name TEXT NOT NULL DEFAULT '';
CREATE TABLE {s}choices (
    call {int} PRIMARY KEY, loss {real} NOT NULL, candidates TEXT NOT NULL,
    rejections TEXT NOT NULL);
CREATE TABLE {s}alerts (
    budget TEXT NOT NULL, period TEXT NOT NULL, threshold TEXT NOT NULL,
    at {real} NOT NULL, PRIMARY KEY (budget, period, threshold));

-- migration
CREATE TABLE {s}sessions (
    key TEXT PRIMARY KEY, at {real} NOT NULL, state TEXT NOT NULL);
