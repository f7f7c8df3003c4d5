import { closeSync, openSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { StoreRefusal } from "./failures.ts";
import type { StoreTuning } from "./writer-protocol.ts";

/** "easy" in ASCII: tells our files from any other SQLite database (PRAGMA application_id). */
const APPLICATION_ID = 0x65617379;

/** How long a connection waits for a lock before SQLITE_BUSY, ms. The default of node:sqlite is 0. */
const BUSY_TIMEOUT_MS = 5000;

/** Forward only. Entry n brings a file from schema n to n + 1; an entry that was released is never changed. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE entries(
     space TEXT NOT NULL,
     key TEXT NOT NULL,
     value BLOB NOT NULL,
     PRIMARY KEY(space, key)
   ) WITHOUT ROWID`,
];

/**
 * How a transaction that must survive power loss is synced: the log at each commit. A transaction of commits that only
 * have to survive the process is written with NORMAL, which syncs the log when it is folded into the file; the next
 * synced commit syncs everything before it in the same log.
 */
export const SYNCHRONOUS_ON_DISK = "FULL";

/**
 * Always explicit, so that no default of a build or of a later version can weaken them. WAL + FULL syncs at each commit;
 * NORMAL would lose acknowledged commits in a power cut (test/slow/store-powercut.ts shows it).
 */
function pragmas({ synchronous = SYNCHRONOUS_ON_DISK, pageCountMax }: StoreTuning): string {
  const everywhere = `
    PRAGMA synchronous = ${synchronous};
    PRAGMA journal_mode = WAL;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -16000;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    ${pageCountMax === undefined ? "" : `PRAGMA max_page_count = ${pageCountMax};`}`;
  // On macOS fsync does not reach the platter; F_FULLFSYNC does.
  return process.platform === "darwin"
    ? `${everywhere} PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1;`
    : everywhere;
}

/**
 * Opens the file for writing, creates or migrates it. `checked` says that it was inspected because the last process
 * that had it open did not close it. @throws {StoreRefusal} before anything was changed in the file
 */
export function openForWriting(
  path: string,
  { migrations = MIGRATIONS, ...tuning }: StoreTuning & { readonly migrations?: readonly string[] } = {},
): { readonly database: DatabaseSync; readonly checked: boolean } {
  const checked = sizeOf(`${path}-wal`) > 0;
  if (sizeOf(path) > 0) inspect(path, checked, migrations.length);
  // Only the owner may read it; SQLite gives its side files the mode of the main file.
  else closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec(pragmas(tuning));
    migrate(database, migrations);
  } catch (error) {
    database.close();
    throw error;
  }
  return { database, checked };
}

/** A connection that can only read; sees each commit as soon as the writer made it. */
export function openForReading(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  database.exec("PRAGMA cache_size = -16000; PRAGMA trusted_schema = OFF;");
  return database;
}

/** Looks at an existing file through a read-only connection, which leaves a file that we refuse as it was. */
function inspect(path: string, unclean: boolean, known: number): void {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  try {
    const found = numberOf(database, "user_version");
    const owner = numberOf(database, "application_id");
    const tables = Number(database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"]);
    if (owner !== APPLICATION_ID && (owner !== 0 || tables > 0)) {
      throw new StoreRefusal({
        code: "STORAGE_FAILED",
        reason: "the file belongs to another program; choose another path",
      });
    }
    if (found > known) throw new StoreRefusal({ code: "STORAGE_TOO_NEW", found, known });
    if (unclean) check(database);
  } finally {
    database.close();
  }
}

function check(database: DatabaseSync): void {
  const finding = String(database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"]);
  if (finding !== "ok") throw StoreRefusal.damaged(finding);
}

function migrate(database: DatabaseSync, migrations: readonly string[]): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    for (let version = numberOf(database, "user_version"); version < migrations.length; version += 1) {
      database.exec(migrations[version] ?? "");
      database.exec(`PRAGMA user_version = ${version + 1}`);
    }
    if (numberOf(database, "application_id") !== APPLICATION_ID) {
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    }
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function numberOf(database: DatabaseSync, pragma: "user_version" | "application_id"): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
