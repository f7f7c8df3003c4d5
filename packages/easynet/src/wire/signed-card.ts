import {
  canonicalJson,
  type Did,
  isDid,
  type KeyPair,
  openDetached,
  signDetached,
  type SignatureClaim,
  verifyDetached,
} from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import {
  checkSchema,
  type AgentCard,
  agentCardSchema,
  CARD_LIMITS,
  cardFromA2a,
  cardToA2a,
  describeIssues,
  isJsonObject,
  jsonProblem,
  type SignedCard,
  signedCardSchema,
} from "../model/index.ts";

/** Bytes of the canonical A2A form, which is what is signed. */
export const CARD_BYTES_MAX = 262_144;
/** Bounds of a signed card before anything reads it; 4 KiB for the signature. */
const SIGNED_CARD_LIMITS = { depthMax: CARD_LIMITS.depthMax, lengthMax: CARD_BYTES_MAX + 4096 };
/** How far the clock of the agent's node may be ahead of ours. */
export const CARD_FUTURE_MS_MAX = 60_000;

/**
 * Signs a card with its agent's key: a detached JWS over the canonical A2A form, which every A2A library can check.
 * @throws {EasynetError} CARD_INVALID when the card does not fit the schema or is too large; INVALID_ARGUMENT when
 * the key is not the one that `card.id` names
 */
export function signCard(card: AgentCard, keyPair: KeyPair): SignedCard {
  if (card.id !== keyPair.did) {
    const reason = "the key is not the one that the card's id names";
    throw new EasynetError("INVALID_ARGUMENT", { subject: "A key to sign a card", reason });
  }
  const parsed = checkSchema(agentCardSchema, card);
  if (!parsed.success) return refuse(keyPair.did, describeIssues(parsed.error));
  // Through the A2A form and back: an optional field that is `undefined` here must be absent in what travels.
  const own = cardFromA2a(cardToA2a(parsed.data));
  return { card: own, signature: { ...signDetached(keyPair, signedBytes(own, keyPair.did)) } };
}

export interface VerifyCardOptions {
  /** Wall clock, Unix epoch ms. */
  readonly nowMs: number;
}

/**
 * The card of a signed card that came from elsewhere, checked in this order: plain JSON within the limits, schema
 * (unknown fields are refused by name), stamp not more than 60 s ahead of our clock, size of the canonical form, signature
 * by the key that `card.id` names.
 * @throws {EasynetError} CARD_INVALID or SIGNATURE_INVALID, each with `details.reason`; nothing else, whatever comes
 */
export function verifyCard(signed: unknown, options: VerifyCardOptions): AgentCard {
  const agent = claimedId(signed);
  const { card, signature } = parseSignedCard(signed, agent);
  const { signer, bytes } = contentOf(card, options);
  verifyDetached(signature, bytes, { signer, subject: `the card of ${signer}` });
  return card;
}

/**
 * What is left to verify of a signed card that fits the schema: the card is to be believed once the claim holds.
 * @throws {EasynetError} CARD_INVALID or SIGNATURE_INVALID for everything that `verifyCard` refuses before the signature
 */
export function cardClaim(signed: SignedCard, options: VerifyCardOptions): SignatureClaim {
  const problem = jsonProblem(signed, SIGNED_CARD_LIMITS);
  if (problem !== undefined) refuse(claimedId(signed), `it holds ${problem}`);
  const { signer, bytes } = contentOf(signed.card, options);
  return openDetached(signed.signature, bytes, { signer, subject: `the card of ${signer}` });
}

/** Who must have signed what. */
function contentOf(
  card: AgentCard,
  { nowMs }: VerifyCardOptions,
): { readonly signer: Did; readonly bytes: Uint8Array } {
  const { id } = card;
  if (!isDid(id)) return refuse("an unknown agent", "its id is not the did:key of an Ed25519 key");
  const aheadMs = card.updatedAtMs - nowMs;
  if (aheadMs > CARD_FUTURE_MS_MAX) refuse(id, `its stamp is ${aheadMs} ms in the future`);
  return { signer: id, bytes: signedBytes(card, id) };
}

function parseSignedCard(signed: unknown, agent: string): SignedCard {
  const problem = jsonProblem(signed, SIGNED_CARD_LIMITS);
  if (problem !== undefined) refuse(agent, `it holds ${problem}`);
  const result = checkSchema(signedCardSchema, signed);
  return result.success ? result.data : refuse(agent, describeIssues(result.error));
}

function signedBytes(card: AgentCard, agent: string): Uint8Array {
  const bytes = Buffer.from(canonicalJson(cardToA2a(card)));
  if (bytes.length > CARD_BYTES_MAX) refuse(agent, `its canonical form has ${bytes.length} bytes`);
  return bytes;
}

/** Whom an error is about: what the card says of itself, if that is a did at all. */
function claimedId(signed: unknown): Did | "an unknown agent" {
  const card = isJsonObject(signed) ? signed["card"] : undefined;
  const id = isJsonObject(card) ? card["id"] : undefined;
  return typeof id === "string" && isDid(id) ? id : "an unknown agent";
}

function refuse(agent: string, reason: string): never {
  throw new EasynetError("CARD_INVALID", { agent, reason });
}
