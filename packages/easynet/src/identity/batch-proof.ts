/**
 * One signature for many messages: a batch signs the root of a Merkle tree (RFC 9162 section 2.1) over its messages, and
 * any of them can later be shown to a third party with a path of log2(count) hashes, without the others. A signature per
 * message would cost more than everything else that happens to it.
 */
import { EasynetError } from "../kernel/index.ts";
import { verifySignature } from "./keys.ts";
import { inclusionPath, leafHash, merkleRoot, verifyInclusion } from "./merkle.ts";
import type { Did, KeyPair } from "./types.ts";

/** Keeps these signatures apart from all others of the same key. */
const DOMAIN = Buffer.from("easynet/batch/1\0");

/** What a signature is about beside the messages: the same for sealing, proving and verifying. */
export interface BatchContext {
  /** Where the batch belongs (recipient, epoch, lane, first sequence), in bytes, so that it proves nothing elsewhere. */
  readonly place: Uint8Array;
  /** Messages in the batch, at least 1. */
  readonly count: number;
}

export interface BatchSeal {
  /** SHA-256, 32 bytes. */
  readonly root: Uint8Array;
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}

/** Shows that one message was in a signed batch. */
export interface MessageProof extends BatchSeal, BatchContext {
  /** Place of the message in the batch, from 0. */
  readonly index: number;
  /** Hashes, the lowest first; at most log2(count) rounded up. */
  readonly path: readonly Uint8Array[];
}

/** Signs a batch. @param messages the bytes of each message, at least one @throws {EasynetError} INVALID_ARGUMENT */
export function sealBatch(keyPair: KeyPair, place: Uint8Array, messages: readonly Uint8Array[]): BatchSeal {
  if (messages.length === 0) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "A batch", reason: "it holds no message" });
  }
  const root = merkleRoot(messages.map(leafHash));
  return { root, signature: keyPair.sign(signedBytes(root, { place, count: messages.length })) };
}

/** True when `signature` is `signer`'s over exactly these messages at this place. Never throws. */
export function verifyBatch(
  signer: Did,
  signature: Uint8Array,
  { place, messages }: { readonly place: Uint8Array; readonly messages: readonly Uint8Array[] },
): boolean {
  const root = merkleRoot(messages.map(leafHash));
  return hasSigned(signer, { root, signature }, { place, count: messages.length });
}

/**
 * A proof for message `index` of a signed batch; what it proves is checked by `verifyMessage`, not here.
 * @throws {EasynetError} INVALID_ARGUMENT when there is no such message
 */
export function proveMessage(
  signature: Uint8Array,
  { place, messages }: { readonly place: Uint8Array; readonly messages: readonly Uint8Array[] },
  index: number,
): MessageProof {
  if (!Number.isInteger(index) || index < 0 || index >= messages.length) {
    const reason = `the batch holds ${messages.length} messages`;
    throw new EasynetError("INVALID_ARGUMENT", { subject: `Message ${index} of a batch`, reason });
  }
  const leaves = messages.map(leafHash);
  const path = inclusionPath(leaves, index);
  return { root: merkleRoot(leaves), signature, place, count: messages.length, index, path };
}

/** True when `signer` sent `message` at that place of that batch. Never throws. */
export function verifyMessage(signer: Did, message: Uint8Array, proof: MessageProof): boolean {
  return verifyInclusion({ ...proof, leaf: leafHash(message) }) && hasSigned(signer, proof, proof);
}

function hasSigned(signer: Did, { root, signature }: BatchSeal, context: BatchContext): boolean {
  return verifySignature(signer, signedBytes(root, context), signature);
}

/** Domain, place with its length before it, count, root: nothing can be moved from one into another. */
function signedBytes(root: Uint8Array, { place, count }: BatchContext): Uint8Array {
  const numbers = new DataView(new ArrayBuffer(12));
  numbers.setUint32(0, place.length);
  numbers.setBigUint64(4, BigInt(count));
  return Buffer.concat([DOMAIN, new Uint8Array(numbers.buffer), place, root]);
}
