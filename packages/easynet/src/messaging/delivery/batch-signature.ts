/**
 * A signed batch: version 2, with the sender's signature over all its messages behind the last one. It is the same batch
 * as without: (sender, epoch, lane, sequence) name the messages. Who was given it can show any message of it to others.
 */
import {
  type Did,
  type KeyPair,
  parseDid,
  proveMessage,
  sealBatch,
  verifyBatch,
  verifyMessage,
} from "../../identity/index.ts";
import { EasynetError } from "../../kernel/index.ts";
import { BATCH_HEADER_BYTES, BATCH_VERSION, SIGNATURE_BYTES, SIGNED_BATCH_VERSION } from "./batch-layout.ts";
import { isSigned, readBatch, readLeaves } from "./batch-reader.ts";
import { Received } from "./received-message.ts";
import type { ReceivedMessage } from "./types.ts";

const PROOF_VERSION = 1;
const DID_BYTES = 56;
const HASH_BYTES = 32;
/** Of a batch of 4,096 messages. */
const PATH_COUNT_MAX = 12;
const NUMBERS_AT = 1 + 2 * DID_BYTES + BATCH_HEADER_BYTES;
const PROOF_BYTES_MIN = NUMBERS_AT + 3 + HASH_BYTES + SIGNATURE_BYTES;

/** Signs a batch for its recipient; one that is signed stays as it is. @param batch without a prefix */
export function signBatch(keyPair: KeyPair, recipient: Did, batch: Buffer): Buffer {
  if (isSigned(batch)) return batch;
  const signed = Buffer.concat([batch, Buffer.alloc(SIGNATURE_BYTES)]);
  signed[0] = SIGNED_BATCH_VERSION;
  const { signature } = sealBatch(keyPair, placeOf(recipient, signed), readLeaves(signed));
  signed.set(signature, batch.length);
  return signed;
}

/** True when `sender` signed this batch for this recipient. @throws {EasynetError} FRAME_MALFORMED */
export function isSignedBy(sender: Did, recipient: Did, batch: Buffer): boolean {
  if (!isSigned(batch)) return false;
  const signature = batch.subarray(-SIGNATURE_BYTES);
  return verifyBatch(sender, signature, { place: placeOf(recipient, batch), messages: readLeaves(batch) });
}

/** Shows that one message of a signed batch is its sender's: without the other messages (docs/protocol/messages.md). */
export function proofOf(
  from: Did,
  to: Did,
  { batch, index }: { readonly batch: Buffer; readonly index: number },
): Buffer {
  const messages = readLeaves(batch);
  const signature = batch.subarray(-SIGNATURE_BYTES);
  const { path, root } = proveMessage(signature, { place: placeOf(to, batch), messages }, index);
  const numbers = Buffer.alloc(3);
  numbers.writeUInt16LE(index, 0);
  numbers[2] = path.length;
  const leaf = messages[index] ?? new Uint8Array();
  const names = Buffer.from(`${from}${to}`);
  const header = batch.subarray(0, BATCH_HEADER_BYTES);
  return Buffer.concat([Uint8Array.of(PROOF_VERSION), names, header, numbers, ...path, root, signature, leaf]);
}

/** What a proof shows. */
export interface Proven {
  readonly recipient: Did;
  readonly message: ReceivedMessage;
}

/** Needs nothing but the proof. @throws {EasynetError} FRAME_MALFORMED, SIGNATURE_INVALID, INVALID_ARGUMENT */
export function readProof(proof: Uint8Array): Proven {
  const bytes = Buffer.from(proof);
  if (bytes[0] !== PROOF_VERSION || bytes.length < PROOF_BYTES_MIN) throw notRead("it is too short or another version");
  const sender = parseDid(bytes.toString("latin1", 1, 1 + DID_BYTES));
  const recipient = parseDid(bytes.toString("latin1", 1 + DID_BYTES, 1 + 2 * DID_BYTES));
  const header = Buffer.from(bytes.subarray(1 + 2 * DID_BYTES, NUMBERS_AT));
  const [index, hashes] = [bytes.readUInt16LE(NUMBERS_AT), bytes[NUMBERS_AT + 2] ?? 0];
  const rootAt = NUMBERS_AT + 3 + hashes * HASH_BYTES;
  const leafAt = rootAt + HASH_BYTES + SIGNATURE_BYTES;
  if (hashes > PATH_COUNT_MAX || leafAt >= bytes.length) throw notRead("it ends too soon");
  const leaf = bytes.subarray(leafAt);
  const path = Array.from({ length: hashes }, (_, at) =>
    bytes.subarray(rootAt - (hashes - at) * HASH_BYTES).subarray(0, HASH_BYTES),
  );
  const place = placeOf(recipient, header);
  const claim = {
    root: bytes.subarray(rootAt, rootAt + HASH_BYTES),
    signature: bytes.subarray(leafAt - SIGNATURE_BYTES, leafAt),
  };
  if (!verifyMessage(sender, leaf, { ...claim, place, count: header.readUInt16LE(15), index, path })) {
    throw new EasynetError("SIGNATURE_INVALID", { subject: "a proof of a message" });
  }
  const alone = Buffer.concat([header, leaf]);
  alone[0] = BATCH_VERSION;
  alone.writeUInt16LE(1, 15);
  const batch = readBatch(alone);
  const [message] = batch.messages;
  if (!message) throw notRead("it holds no message");
  return {
    recipient,
    message: new Received({ ...batch, sender }, message, { sequence: batch.first + index, attempt: 1 }),
  };
}

function notRead(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `a proof: ${reason}` });
}

/** What no message can be moved to another of: the recipient, and the batch's header. */
function placeOf(recipient: Did, batch: Buffer): Uint8Array {
  return Buffer.concat([Buffer.from(recipient), batch.subarray(0, BATCH_HEADER_BYTES)]);
}
