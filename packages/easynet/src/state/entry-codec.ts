import { createHash } from "node:crypto";
import type { Did, KeyPair } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import type { NodeRecord } from "../model/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";
import type { Entry, SealedEntry, Version } from "./core-types.ts";
import type { DidCache } from "./did-cache.ts";
import { HEADER_BYTES_MAX, RECORD_BYTES_MAX } from "./limits.ts";

/** Keeps a signature over a header from meaning anything anywhere else. */
const DOMAIN = Buffer.from("easynet-directory-entry-1\n");
const HASH_BYTES = 32;
const NO_HASH = new Uint8Array();

/** What the owner signs: version, stamp, status, and the record by its hash. */
export interface Header extends Version {
  readonly owner: Did;
  readonly issuedAtMs: number;
  readonly status: "alive" | "left";
  readonly recordHash: string;
}

/** An encoded record and its hash; made once for many issues. */
export interface EncodedRecord {
  readonly record: NodeRecord;
  readonly bytes: Uint8Array;
  /** SHA-256, hex. */
  readonly hash: string;
}

export function encodeRecord(record: NodeRecord): EncodedRecord {
  const bytes = encodeValue(record);
  return { record, bytes, hash: hashOf(bytes) };
}

/** SHA-256 in hex. */
export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Signs a new state of the own entry; without `encoded` it says that the owner left. */
export function sealEntry(
  keyPair: Pick<KeyPair, "did" | "sign">,
  version: Version & { readonly issuedAtMs: number },
  encoded: EncodedRecord | undefined,
): Entry {
  const { epoch, sequence, issuedAtMs } = version;
  const owner = keyPair.did;
  const hash = encoded ? Buffer.from(encoded.hash, "hex") : NO_HASH;
  const header = encodeValue([owner, epoch, sequence, issuedAtMs, encoded ? 0 : 1, hash]);
  const signature = keyPair.sign(signedBytes(header));
  return {
    owner,
    epoch,
    sequence,
    issuedAtMs,
    status: encoded ? "alive" : "left",
    recordHash: encoded?.hash ?? "",
    record: encoded?.record,
    sealed: { header, signature, recordBytes: encoded?.bytes },
  };
}

/** The bytes under the signature of a header. */
export function signedBytes(header: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, header]);
}

/** @throws {EasynetError} FRAME_MALFORMED, INVALID_ARGUMENT for an owner that is no did */
export function decodeHeader(bytes: Uint8Array, dids: DidCache): Header {
  if (bytes.length > HEADER_BYTES_MAX) throw malformed("a directory header is too long");
  const fields = decodeValue(bytes);
  if (!Array.isArray(fields)) throw malformed("a directory header is not an array");
  const values: readonly unknown[] = fields;
  const [owner, epoch, sequence, issuedAtMs, status, hash] = values;
  if (status !== 0 && status !== 1) throw malformed("a directory header's status");
  if (!(hash instanceof Uint8Array) || hash.length !== (status === 0 ? HASH_BYTES : 0)) {
    throw malformed("a directory header's hash");
  }
  const recordHash = Buffer.from(hash).toString("hex");
  return {
    owner: dids.parse(owner),
    epoch: countFrom(epoch, "a directory header's epoch"),
    sequence: countFrom(sequence, "a directory header's sequence"),
    issuedAtMs: countFrom(issuedAtMs, "a directory header's stamp"),
    status: status === 0 ? "alive" : "left",
    recordHash,
  };
}

/** The record that a header's hash names. @throws {EasynetError} FRAME_MALFORMED, SIGNATURE_INVALID */
export function decodeRecord(bytes: Uint8Array, header: Header): unknown {
  if (bytes.length > RECORD_BYTES_MAX) throw malformed(`a directory record of ${bytes.length} bytes`);
  if (hashOf(bytes) !== header.recordHash) {
    throw new EasynetError("SIGNATURE_INVALID", { subject: `the record of ${header.owner}` });
  }
  return decodeValue(bytes);
}

/** @param record checked */
export function toEntry(header: Header, record: NodeRecord | undefined, sealed: SealedEntry): Entry {
  return { ...header, record, sealed };
}

/**
 * A whole number that JavaScript and every other implementation keep exactly; a 64-bit integer of another language
 * arrives as a bigint. @throws {EasynetError} FRAME_MALFORMED naming `what`
 */
export function countFrom(value: unknown, what: string): number {
  const read = typeof value === "bigint" ? Number(value) : value;
  if (typeof read !== "number" || !Number.isSafeInteger(read) || read < 0) throw malformed(what);
  return read;
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
