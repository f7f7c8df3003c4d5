/**
 * A signed batch: version 2, with the sender's signature over all its messages behind the last one. It is the same batch
 * as without: (sender, epoch, lane, sequence) name the messages. Who was given it can show any message of it to others.
 */
import type { Did, KeyPair } from "../../identity/index.ts";
import { sealBatch, verifyBatch } from "../../identity/index.ts";
import { BATCH_HEADER_BYTES, SIGNATURE_BYTES, SIGNED_BATCH_VERSION } from "./batch-layout.ts";
import { isSigned, readLeaves } from "./batch-reader.ts";

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

/** What no message can be moved to another of: the recipient, and the batch's header. */
function placeOf(recipient: Did, batch: Buffer): Uint8Array {
  return Buffer.concat([Buffer.from(recipient), batch.subarray(0, BATCH_HEADER_BYTES)]);
}
