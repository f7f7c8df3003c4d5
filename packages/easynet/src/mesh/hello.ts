import { EasynetError, type ErrorDetails, fromWireError } from "../kernel/index.ts";
import { decodeValue, encodeValue, LANES, type VersionRange } from "../wire/index.ts";

/** What each side says first on a link (docs/protocol/links.md, Hello). */
export interface Hello {
  readonly versions: VersionRange;
  /** The did:key of the network. */
  readonly network: string;
  /** UCAN delegation that makes the sender a member. */
  readonly membership: Uint8Array;
  readonly name: string;
  /** Random number of the sender's process. */
  readonly epoch: number;
  /** Addresses at which the sender can be dialled. */
  readonly addresses: readonly string[];
  /** Largest frame body that the sender takes. */
  readonly frameBytesMax: number;
  /** Names of optional parts of the protocol; unknown ones are ignored. */
  readonly features: readonly string[];
  /** When the sender's process started by its wall clock, Unix epoch ms; tells which of two copies is the later one. */
  readonly startedAtMs?: number;
}

const NAME_LENGTH_MAX = 64;
const TEXT_LENGTH_MAX = 256;
const ADDRESSES_COUNT_MAX = 16;
const FEATURES_COUNT_MAX = 32;
const MEMBERSHIP_BYTES_MAX = 16 * 1024;
const VERSION_MAX = 65_535;
const GOODBYE_DETAILS_COUNT_MAX = 16;

export function encodeHello(hello: Hello): Uint8Array {
  const { versions, network, membership, name, epoch, addresses, frameBytesMax, features, startedAtMs } = hello;
  const started = startedAtMs === undefined ? [] : [startedAtMs];
  const fields = [versions.min, versions.max, network, membership, name.slice(0, NAME_LENGTH_MAX), epoch];
  return encodeValue([...fields, addresses.slice(0, ADDRESSES_COUNT_MAX), frameBytesMax, features, ...started]);
}

/** Positions beyond the known ones are ignored. @throws {EasynetError} FRAME_MALFORMED, FRAME_TOO_DEEP */
export function decodeHello(body: Uint8Array): Hello {
  const fields = arrayOf(decodeValue(body), "hello");
  const min = integer(fields[0], VERSION_MAX);
  const max = integer(fields[1], VERSION_MAX);
  const membership = fields[3];
  if (min > max || !(membership instanceof Uint8Array) || membership.length > MEMBERSHIP_BYTES_MAX) {
    throw malformed("a hello holds no valid versions or membership");
  }
  return {
    versions: { min, max },
    network: text(fields[2], TEXT_LENGTH_MAX),
    membership,
    name: text(fields[4], NAME_LENGTH_MAX),
    epoch: integer(fields[5], Number.MAX_SAFE_INTEGER),
    addresses: texts(fields[6], ADDRESSES_COUNT_MAX),
    frameBytesMax: integer(fields[7], 2 ** 32 - 1),
    features: texts(fields[8], FEATURES_COUNT_MAX),
    ...(fields[9] !== undefined && { startedAtMs: integer(fields[9], Number.MAX_SAFE_INTEGER) }),
  };
}

/** @param version the protocol version that the link uses from here on */
export function encodeWelcome(version: number): Uint8Array {
  return encodeValue([version]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeWelcome(body: Uint8Array): number {
  return integer(arrayOf(decodeValue(body), "welcome")[0], VERSION_MAX);
}

/** Gives `bytes` of a lane's window back. */
export function encodeCredit(lane: number, bytes: number): Uint8Array {
  return encodeValue([lane, bytes]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeCredit(body: Uint8Array): { readonly lane: number; readonly bytes: number } {
  const fields = arrayOf(decodeValue(body), "credit");
  return { lane: integer(fields[0], LANES.length - 1), bytes: integer(fields[1], 2 ** 32 - 1) };
}

/** The answer to a ping tells the sender's wall clock, so that clocks can be compared. */
export function encodePong(wallMs: number): Uint8Array {
  return encodeValue([wallMs]);
}

/** Undefined when the peer tells no time, as its version may. @throws {EasynetError} FRAME_MALFORMED */
export function decodePong(body: Uint8Array): number | undefined {
  if (body.length === 0) return undefined;
  const [wallMs] = arrayOf(decodeValue(body), "pong");
  if (typeof wallMs === "number" && Number.isFinite(wallMs)) return wallMs;
  throw malformed("a pong tells no time");
}

/** Causes and stacks stay at home; only the wire form leaves. */
export function encodeGoodbye(error: EasynetError): Uint8Array {
  const { code, message, retryable, details } = error.toJSON();
  return encodeValue([code, message, retryable, details]);
}

/** What the peer said is data: a known code gets our own sentence. @throws {EasynetError} FRAME_MALFORMED */
export function decodeGoodbye(body: Uint8Array, peer: string): EasynetError {
  const fields = arrayOf(decodeValue(body), "goodbye");
  const code = text(fields[0], NAME_LENGTH_MAX);
  const message = text(fields[1], 1024);
  return fromWireError({ code, message, retryable: fields[2] === true, details: detailsOf(fields[3]) }, { peer });
}

function detailsOf(value: unknown): ErrorDetails {
  if (typeof value !== "object" || value === null) return {};
  const details: Record<string, string | number | boolean> = {};
  for (const [key, detail] of Object.entries(value).slice(0, GOODBYE_DETAILS_COUNT_MAX)) {
    if (typeof detail === "string") details[key] = detail.slice(0, TEXT_LENGTH_MAX);
    else if (typeof detail === "number" || typeof detail === "boolean") details[key] = detail;
  }
  return details;
}

function arrayOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw malformed(`a ${what} is not an array`);
}

function text(value: unknown, lengthMax: number): string {
  if (typeof value === "string" && value.length > 0 && value.length <= lengthMax) return value;
  throw malformed("a text is missing or too long");
}

function texts(value: unknown, countMax: number): readonly string[] {
  if (!Array.isArray(value) || value.length > countMax) throw malformed("a list of texts is missing or too long");
  return value.map((item: unknown) => text(item, TEXT_LENGTH_MAX));
}

function integer(value: unknown, max: number): number {
  const read = typeof value === "bigint" ? Number(value) : value;
  if (typeof read === "number" && Number.isInteger(read) && read >= 0 && read <= max) return read;
  throw malformed("a number is missing or out of range");
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
