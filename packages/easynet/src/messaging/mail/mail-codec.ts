import { type Did, parseDid } from "../../identity/index.ts";
import { EasynetError } from "../../kernel/index.ts";
import { BATCH_FRAME_BYTES_MAX } from "../delivery/batch-reader.ts";
import { BATCH_COUNT_MAX, NUMBER_MAX } from "../delivery/limits.ts";
import type { BatchRange } from "../delivery/position.ts";

const VERSION = 1;
const DID_BYTES = 56;
const ADDRESS_BYTES = 1 + 6 + 6 + 2;
const HEAD_BYTES = 1 + DID_BYTES + ADDRESS_BYTES;
const KEPT_BYTES = HEAD_BYTES + 6;
/** Membership and its length, frame, seal. */
const SEALED_BYTES_MAX = BATCH_FRAME_BYTES_MAX + 2 + 16 * 1024 + 64;

/** Which batch it is, beside who sent it to whom. */
export interface MailAddress extends BatchRange {
  readonly lane: number;
}

/** `mail-keep` and `mail`: a sealed batch, on its way to the holder or from it. */
export interface SealedMail extends MailAddress {
  /** To the holder: the recipient. From it: the sender. */
  readonly other: Did;
  /** To the holder: for how long it is wanted to be kept. From it: for how long it was kept. */
  readonly durationMs: number;
  readonly sealed: Uint8Array;
}

/** What became of a batch: at the holder, or at the recipient. */
export interface MailAnswer extends MailAddress {
  readonly other: Did;
  /** From the holder: how long it keeps the batch, ms; 0 = not at all. From the recipient: one of OUTCOMES. */
  readonly value: number;
}

/** `taken`: safe at the recipient; `broken`: it will never be taken; `later`: something before it is missing, or no room. */
export const OUTCOMES = { taken: 1, broken: 2, later: 3 } as const;

/** What the seal of a batch is bound to; both ends make it from what they know. */
export function sealContext(from: Did, to: Did, address: MailAddress): Uint8Array {
  return Buffer.concat([Buffer.from(`${from}${to}`), addressBytes(address)]);
}

export function encodeMail(mail: SealedMail): Buffer {
  return Buffer.concat([encodeAnswer({ ...mail, value: mail.durationMs }), mail.sealed]);
}

/** @throws {EasynetError} FRAME_MALFORMED, FRAME_TOO_LARGE, INVALID_ARGUMENT */
export function decodeMail(body: Uint8Array): SealedMail {
  const bytesMax = KEPT_BYTES + SEALED_BYTES_MAX;
  if (body.length > bytesMax) throw new EasynetError("FRAME_TOO_LARGE", { bytes: body.length, bytesMax });
  const { value, ...rest } = decodeAnswer(body.subarray(0, KEPT_BYTES));
  return { ...rest, durationMs: value, sealed: Uint8Array.from(body.subarray(KEPT_BYTES)) };
}

export function encodeAnswer(answer: MailAnswer): Buffer {
  const value = Buffer.alloc(6);
  value.writeUIntLE(Math.min(NUMBER_MAX, Math.max(0, Math.floor(answer.value))), 0, 6);
  return Buffer.concat([Uint8Array.of(VERSION), Buffer.from(answer.other), addressBytes(answer), value]);
}

/** @throws {EasynetError} FRAME_MALFORMED, INVALID_ARGUMENT */
export function decodeAnswer(body: Uint8Array): MailAnswer {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes[0] !== VERSION || bytes.length !== KEPT_BYTES) throw malformed("it has another form");
  const other = parseDid(bytes.toString("latin1", 1, 1 + DID_BYTES));
  const at = 1 + DID_BYTES;
  const lane = bytes[at] ?? 255;
  const epoch = bytes.readUIntLE(at + 1, 6);
  const first = bytes.readUIntLE(at + 7, 6);
  const count = bytes.readUInt16LE(at + 13);
  if (lane > 3 || epoch < 1 || first < 1 || count < 1 || count > BATCH_COUNT_MAX) throw malformed("it names no batch");
  return { other, lane, epoch, first, count, value: bytes.readUIntLE(HEAD_BYTES, 6) };
}

/** What is sealed: the sender's membership, because no link of its vouches for it, and the frame of the batch. */
export function encodeContent(membership: Uint8Array, frame: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(membership.length);
  return Buffer.concat([length, membership, frame]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeContent(bytes: Uint8Array): { readonly membership: Uint8Array; readonly frame: Buffer } {
  const content = Buffer.from(bytes);
  const length = content.length < 2 ? Infinity : content.readUInt16LE(0);
  if (2 + length > content.length) throw malformed("its content ends too soon");
  return { membership: Uint8Array.from(content.subarray(2, 2 + length)), frame: content.subarray(2 + length) };
}

function addressBytes({ lane, epoch, first, count }: MailAddress): Buffer {
  const bytes = Buffer.alloc(ADDRESS_BYTES);
  bytes[0] = lane;
  bytes.writeUIntLE(epoch, 1, 6);
  bytes.writeUIntLE(first, 7, 6);
  bytes.writeUInt16LE(count, 13);
  return bytes;
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `mail: ${reason}` });
}
