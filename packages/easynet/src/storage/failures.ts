import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { EasynetError } from "../kernel/index.ts";
import type { Failure } from "./writer-protocol.ts";

/** Primary result codes of SQLite (https://sqlite.org/rescode.html); the low byte of `errcode`. */
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** With less free than this, bytes, an I/O error is taken for a full disk: quotas and shared memory report no ENOSPC. */
const FREE_BYTES_MIN = 1024 * 1024;

/** Why a file was not opened; stays inside storage/, callers get the EasynetError made from it. */
export class StoreRefusal extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.code);
    this.name = "StoreRefusal";
    this.failure = failure;
  }

  static damaged(finding: string): StoreRefusal {
    const reason = `the file is damaged (${finding}); it was left as it is: move it away or put back a copy`;
    return new StoreRefusal({ code: "STORAGE_FAILED", reason });
  }
}

/** Sorts whatever SQLite or the file system threw into the three failures that callers can act on. */
export function failureOf(thrown: unknown, path: string): Failure {
  if (thrown instanceof StoreRefusal) return thrown.failure;
  const { message, errcode, code } = describe(thrown);
  const primary = errcode & 0xff;
  if (primary === SQLITE_FULL || code === "ENOSPC" || code === "EDQUOT") return { code: "STORAGE_FULL" };
  if (primary === SQLITE_IOERR && freeBytes(path) < FREE_BYTES_MIN) return { code: "STORAGE_FULL" };
  if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB) return StoreRefusal.damaged(message).failure;
  return { code: "STORAGE_FAILED", reason: errcode === 0 ? message : `${message} (SQLite ${errcode})` };
}

/** The error that a caller sees for a failure of the store at `path`. */
export function toStoreError(failure: Failure, path: string): EasynetError {
  if (failure.code === "STORAGE_FULL") return new EasynetError("STORAGE_FULL", { path });
  if (failure.code === "STORAGE_FAILED") return new EasynetError("STORAGE_FAILED", { path, reason: failure.reason });
  return new EasynetError("STORAGE_TOO_NEW", { path, found: failure.found, known: failure.known });
}

function describe(thrown: unknown): { readonly message: string; readonly errcode: number; readonly code: string } {
  if (!(thrown instanceof Error)) return { message: String(thrown), errcode: 0, code: "" };
  const errcode = "errcode" in thrown && typeof thrown.errcode === "number" ? thrown.errcode : 0;
  const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
  return { message: thrown.message, errcode, code };
}

function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    // Unknown free space must not turn a broken disk into a full one.
    return Number.POSITIVE_INFINITY;
  }
}
