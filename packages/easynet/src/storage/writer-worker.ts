/** The writer thread: the only place that changes the file. Started by writer.ts, one per open store. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { failureOf } from "./failures.ts";
import { openForWriting, SYNCHRONOUS_ON_DISK } from "./schema.ts";
import type { CommitDurability } from "./types.ts";
import type { CommitFailure, FromWriter, GroupMessage, ToWriter, WriterData } from "./writer-protocol.ts";

/** Level of synchronisation of a transaction; NORMAL in WAL mode syncs at checkpoints only. */
type Synchronous = NonNullable<WriterData["tuning"]["synchronous"]>;

interface Statements {
  readonly database: DatabaseSync;
  readonly put: StatementSync;
  readonly remove: StatementSync;
}

function prepare(database: DatabaseSync): Statements {
  return {
    database,
    // coalesce: node:sqlite binds an empty array as NULL.
    put: database.prepare(
      "INSERT INTO entries VALUES (?, ?, coalesce(?, x'')) ON CONFLICT DO UPDATE SET value = excluded.value",
    ),
    remove: database.prepare("DELETE FROM entries WHERE space = ? AND key = ?"),
  };
}

/** The value of each write as a view into the group's bytes; undefined deletes. */
function valuesOf(group: GroupMessage): readonly (Uint8Array | undefined)[] {
  let offset = 0;
  return group.lengths.map((length) => {
    if (length < 0) return undefined;
    offset += length;
    return group.bytes.subarray(offset - length, offset);
  });
}

interface Range {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly names: readonly string[];
  readonly values: readonly (Uint8Array | undefined)[];
}

/** Performs the writes of a range in one transaction; throws with nothing written when any of them fails. */
function transact(statements: Statements, { from, to, names, values }: Range): void {
  const { database, put, remove } = statements;
  database.exec("BEGIN IMMEDIATE");
  try {
    for (let index = from; index < to; index += 1) {
      const space = names[index * 2] ?? "";
      const key = names[index * 2 + 1] ?? "";
      const value = values[index];
      if (value) put.run(space, key, value);
      else remove.run(space, key);
    }
    database.exec("COMMIT");
  } catch (error) {
    // SQLite has already rolled back after some failures (full disk, I/O), and must be told after others.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/**
 * One transaction for the whole group. When that fails, each commit gets its own: a small one may still fit on a full
 * disk, and one that cannot be written does not take its neighbours down.
 */
function writeGroup(statements: Statements, group: GroupMessage, path: string): readonly CommitFailure[] {
  const { ends, names } = group;
  const values = valuesOf(group);
  try {
    transact(statements, { from: 0, to: values.length, names, values });
    return [];
  } catch (error) {
    if (ends.length === 1) return [{ index: 0, failure: failureOf(error, path) }];
  }
  const failures: CommitFailure[] = [];
  for (const [index, end] of ends.entries()) {
    try {
      transact(statements, { from: ends[index - 1] ?? 0, to: end, names, values });
    } catch (error) {
      failures.push({ index, failure: failureOf(error, path) });
    }
  }
  return failures;
}

/** Switches the synchronisation between transactions; says nothing to SQLite while it stays as it is. */
class SyncSwitch {
  readonly #database: DatabaseSync;
  readonly #onDisk: Synchronous;
  #now: Synchronous;

  constructor(database: DatabaseSync, onDisk: Synchronous) {
    this.#database = database;
    this.#onDisk = onDisk;
    this.#now = onDisk;
  }

  set(durability: CommitDurability): void {
    const wanted = durability === "disk" ? this.#onDisk : "NORMAL";
    if (wanted === this.#now) return;
    this.#database.exec(`PRAGMA synchronous = ${wanted}`);
    this.#now = wanted;
  }
}

function serve(port: NonNullable<typeof parentPort>, data: WriterData): void {
  const reply = (message: FromWriter): void => port.postMessage(message);
  let statements: Statements;
  let sync: SyncSwitch;
  try {
    const { database, checked } = openForWriting(data.path, data.tuning);
    statements = prepare(database);
    sync = new SyncSwitch(database, data.tuning.synchronous ?? SYNCHRONOUS_ON_DISK);
    reply({ kind: "ready", checked });
  } catch (error) {
    reply({ kind: "refused", failure: failureOf(error, data.path) });
    port.close();
    return;
  }
  port.on("message", (message: ToWriter) => {
    if (message.kind === "group") {
      sync.set(message.durability);
      reply({ kind: "done", failures: writeGroup(statements, message, data.path) });
      return;
    }
    statements.database.close();
    reply({ kind: "closed" });
    port.close();
  });
}

const data: WriterData = workerData;
if (parentPort) serve(parentPort, data);
