import { EasynetError } from "../../kernel/index.ts";
import { checkOperation, checkQuery } from "./checks.ts";
import { BATCH_OPS_MAX } from "./limits.ts";
import type { Batch, Operation, Query, QueryAnswer, Reply } from "./operations.ts";
import type { CriticalEntry, Lease } from "./types.ts";

/** Form of operations, replies and queries in the log and on the wire: arrays, kind first (docs/protocol/consensus.md). */
const OPERATION = { put: 0, delete: 1, set: 2, add: 3, acquire: 4, release: 5 } as const;
const REPLY = {
  written: 0,
  removed: 1,
  unchanged: 2,
  sum: 3,
  granted: 4,
  held: 5,
  invalid: 6,
  full: 7,
  forgotten: 8,
} as const;
const QUERY = { get: 0, list: 1, holder: 2 } as const;
const CLIENT_LENGTH_MAX = 64;

type Fields = readonly unknown[];

export function batchFields({ client, sequence, answeredBelow, operations }: Batch): Fields {
  return [client, sequence, answeredBelow, operations.map(operationFields)];
}

/** @throws {EasynetError} FRAME_MALFORMED, INVALID_ARGUMENT */
export function batchFrom(value: unknown): Batch {
  const [client, sequence, answeredBelow, operations] = fieldsFrom(value);
  if (typeof client !== "string" || client.length < 1 || client.length > CLIENT_LENGTH_MAX) throw malformed("a client");
  const read = listFrom(operations, BATCH_OPS_MAX).map(operationFrom);
  const batch = { client, sequence: countFrom(sequence), answeredBelow: countFrom(answeredBelow), operations: read };
  if ((batch.sequence === 0) !== (read.length === 0)) throw malformed("a batch without operations");
  return batch;
}

export function operationFields(operation: Operation): Fields {
  const kind = OPERATION[operation.kind];
  switch (operation.kind) {
    case "put":
      return [kind, operation.key, operation.value];
    case "delete":
      return [kind, operation.key];
    case "set":
      return [kind, operation.key, operation.revision, operation.value ?? null];
    case "add":
      return [kind, operation.key, operation.by];
    case "acquire":
      return [kind, operation.resource, operation.owner, operation.ttlMs];
    case "release":
    default:
      return [kind, operation.resource, operation.token];
  }
}

/** @throws {EasynetError} FRAME_MALFORMED, INVALID_ARGUMENT */
export function operationFrom(value: unknown): Operation {
  const operation = readOperation(fieldsFrom(value));
  checkOperation(operation);
  return operation;
}

function readOperation([kind, first, second, third]: Fields): Operation {
  switch (kind) {
    case OPERATION.put:
      return { kind: "put", key: textFrom(first), value: bytesFrom(second) };
    case OPERATION.delete:
      return { kind: "delete", key: textFrom(first) };
    case OPERATION.set:
      return {
        kind: "set",
        key: textFrom(first),
        revision: countFrom(second),
        value: third === null ? undefined : bytesFrom(third),
      };
    case OPERATION.add:
      return { kind: "add", key: textFrom(first), by: numberFrom(second) };
    case OPERATION.acquire:
      return { kind: "acquire", resource: textFrom(first), owner: textFrom(second), ttlMs: countFrom(third) };
    case OPERATION.release:
      return { kind: "release", resource: textFrom(first), token: countFrom(second) };
    default:
      throw malformed("an operation");
  }
}

export function replyFields(reply: Reply): Fields {
  const kind = REPLY[reply.kind];
  switch (reply.kind) {
    case "written":
      return [kind, reply.revision];
    case "removed":
      return [kind, reply.found];
    case "unchanged":
      return [kind, reply.current ? entryFields(reply.current) : null];
    case "sum":
      return [kind, reply.sum];
    case "granted":
    case "held":
      return [kind, leaseFields(reply.lease)];
    case "invalid":
      return [kind, reply.reason];
    case "full":
    case "forgotten":
    default:
      return [kind];
  }
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function replyFrom(value: unknown): Reply {
  const [kind, first] = fieldsFrom(value);
  switch (kind) {
    case REPLY.written:
      return { kind: "written", revision: countFrom(first) };
    case REPLY.removed:
      return { kind: "removed", found: first === true };
    case REPLY.unchanged:
      return { kind: "unchanged", current: first === null ? undefined : entryFrom(first) };
    case REPLY.sum:
      return { kind: "sum", sum: numberFrom(first) };
    case REPLY.granted:
      return { kind: "granted", lease: leaseFrom(first) };
    case REPLY.held:
      return { kind: "held", lease: leaseFrom(first) };
    case REPLY.invalid:
      return { kind: "invalid", reason: textFrom(first) };
    case REPLY.full:
      return { kind: "full" };
    case REPLY.forgotten:
      return { kind: "forgotten" };
    default:
      throw malformed("a reply");
  }
}

export function queryFields(query: Query): Fields {
  const kind = QUERY[query.kind];
  if (query.kind === "get") return [kind, query.key];
  if (query.kind === "holder") return [kind, query.resource];
  return [kind, query.prefix, query.after ?? null, query.limit];
}

/** @throws {EasynetError} FRAME_MALFORMED, INVALID_ARGUMENT */
export function queryFrom(value: unknown): Query {
  const query = readQuery(fieldsFrom(value));
  checkQuery(query);
  return query;
}

function readQuery([kind, first, second, third]: Fields): Query {
  const text = textFrom(first);
  if (kind === QUERY.get) return { kind: "get", key: text };
  if (kind === QUERY.holder) return { kind: "holder", resource: text };
  if (kind !== QUERY.list) throw malformed("a query");
  return { kind: "list", prefix: text, after: second === null ? undefined : textFrom(second), limit: countFrom(third) };
}

export function answerFields(answer: QueryAnswer): Fields {
  if (answer.kind === "entries") return [0, answer.entries.map(entryFields)];
  return [1, answer.lease ? leaseFields(answer.lease) : null];
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function answerFrom(value: unknown): QueryAnswer {
  const [kind, content] = fieldsFrom(value);
  if (kind === 0) return { kind: "entries", entries: listFrom(content, BATCH_OPS_MAX).map(entryFrom) };
  if (kind !== 1) throw malformed("an answer");
  return { kind: "lease", lease: content === null ? undefined : leaseFrom(content) };
}

export function entryFields({ key, value, revision }: CriticalEntry): Fields {
  return [key, value, revision];
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function entryFrom(value: unknown): CriticalEntry {
  const [key, content, revision] = fieldsFrom(value);
  return { key: textFrom(key), value: bytesFrom(content), revision: countFrom(revision) };
}

export function leaseFields({ resource, owner, token, ttlMs }: Lease): Fields {
  return [resource, owner, token, ttlMs];
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function leaseFrom(value: unknown): Lease {
  const [resource, owner, token, ttlMs] = fieldsFrom(value);
  return { resource: textFrom(resource), owner: textFrom(owner), token: countFrom(token), ttlMs: countFrom(ttlMs) };
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function listFrom(value: unknown, countMax: number): Fields {
  if (!Array.isArray(value) || value.length > countMax) throw malformed("a list");
  return value;
}

function fieldsFrom(value: unknown): Fields {
  return listFrom(value, 8);
}

function textFrom(value: unknown): string {
  if (typeof value !== "string") throw malformed("a text");
  return value;
}

function bytesFrom(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed("bytes");
  return value;
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function countFrom(value: unknown): number {
  const count = numberFrom(value);
  if (count < 0) throw malformed("a count");
  return count;
}

function numberFrom(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw malformed("a number");
  return value;
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `critical state: ${what}` });
}
