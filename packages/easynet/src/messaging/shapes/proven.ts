import type { Did } from "../../identity/index.ts";
import { readProof } from "../delivery/batch-signature.ts";
import { decodeBody } from "./body-codec.ts";

/** A message of which a proof shows that `sender` sent it to `recipient`: nodes, by their keys. */
export interface ProvenMessage {
  readonly sender: Did;
  readonly recipient: Did;
  readonly id: string;
  readonly kind: string;
  readonly payload: unknown;
  /** By the sender's clock, Unix epoch ms. */
  readonly sentAtMs: number;
  /** Agents, as the sender's node names them. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/**
 * Checks a proof that {@link Delivery.prove} made; needs no node and no network.
 * @throws {EasynetError} SIGNATURE_INVALID, FRAME_MALFORMED, INVALID_ARGUMENT, PAYLOAD_INVALID
 */
export function verifyProof(proof: Uint8Array): ProvenMessage {
  const { recipient, message } = readProof(proof);
  const { sender, id, kind, sentAtMs, from, to } = message;
  const body = decodeBody(kind, message.payload);
  const payload = body.form === "failure" ? body.error : body.value;
  return { sender, recipient, id, kind, payload, sentAtMs, from, to };
}
