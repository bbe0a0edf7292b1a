-- The ledger's schema in version 0.1.0, frozen.
CREATE TABLE calls ( id INTEGER PRIMARY KEY, ref TEXT NOT NULL, at REAL NOT NULL, day TEXT NOT
    NULL, task TEXT NOT NULL, skills TEXT NOT NULL, difficulty REAL NOT NULL, source TEXT NOT NULL,
    confidence REAL NOT NULL, tier TEXT NOT NULL, rule TEXT NOT NULL, reason TEXT NOT NULL, model
    TEXT NOT NULL, outcome TEXT NOT NULL, judge TEXT NOT NULL, cost_usd TEXT, baseline TEXT NOT
    NULL, baseline_usd TEXT, saved_usd TEXT, time_s REAL NOT NULL);
CREATE INDEX calls_by_day ON calls (day);
CREATE INDEX calls_by_ref ON calls (ref);
CREATE TABLE attempts ( id INTEGER PRIMARY KEY, call INTEGER NOT NULL, number INTEGER NOT NULL,
    at REAL NOT NULL, day TEXT NOT NULL, role TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT
    NULL, name TEXT NOT NULL, skill TEXT NOT NULL, served TEXT NOT NULL, fault TEXT NOT NULL, status
    INTEGER NOT NULL, input INTEGER, cached INTEGER, cache_writes INTEGER, output INTEGER, reasoning
    INTEGER, cost_usd TEXT, cost_kind TEXT NOT NULL, charged_usd TEXT, time_s REAL NOT NULL,
    first_token_s REAL, expected_output INTEGER, UNIQUE (call, number));
CREATE INDEX attempts_by_day ON attempts (day);
CREATE TABLE outcomes ( id INTEGER PRIMARY KEY AUTOINCREMENT, call INTEGER NOT NULL, at REAL NOT
    NULL, model TEXT NOT NULL, skills TEXT NOT NULL, difficulty REAL NOT NULL, good REAL NOT NULL,
    kind TEXT NOT NULL, task TEXT NOT NULL, note TEXT NOT NULL, UNIQUE (call, kind, model));
CREATE TABLE holds ( id INTEGER PRIMARY KEY, owner TEXT NOT NULL, pid INTEGER NOT NULL, started
    TEXT NOT NULL, expires REAL NOT NULL, day TEXT NOT NULL, model TEXT NOT NULL, skill TEXT NOT
    NULL, usd TEXT NOT NULL);
CREATE TABLE texts ( call INTEGER PRIMARY KEY, prompt TEXT NOT NULL, answer TEXT NOT NULL,
    history TEXT NOT NULL);
CREATE TABLE cooldowns (key TEXT PRIMARY KEY, until REAL NOT NULL, fault TEXT NOT NULL);
PRAGMA user_version = 1;
