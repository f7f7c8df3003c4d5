/**
 * The right to be in a network: a UCAN 1.0 delegation (ucan-wg/spec, ucan-wg/delegation) from the network's root key
 * to a member's key, for the command `/easynet/net/member` on the network itself. Envelope and DAG-CBOR come from
 * iso-ucan; signing and verifying are node:crypto's, because the library's own cost 15 times as much. A membership is
 * one delegation without conditions: chains and policies are refused here, not ignored.
 */
import { randomBytes } from "node:crypto";
import type * as Envelope from "iso-ucan/envelope";
import { EasynetError } from "../kernel/index.ts";
import { parseDid, verifySignature } from "./keys.ts";
import type { Did, KeyPair, Membership } from "./types.ts";

export const MEMBERSHIP_COMMAND = "/easynet/net/member";
/** Checked before decoding; ours have 347 bytes. */
export const MEMBERSHIP_BYTES_MAX = 4096;
/** How far the clock of the issuer may be ahead of ours. */
export const MEMBERSHIP_SKEW_MS = 60_000;

const UCAN_VERSION = "1.0.0";
/** CBOR: array of two, then a byte string of 64. What follows the signature is what was signed. */
const ENVELOPE_PREFIX = [0x82, 0x58, 0x40] as const;
const SIGNED_OFFSET = ENVELOPE_PREFIX.length + 64;
const NONCE_BYTES = 12;

export interface IssueMembershipOptions {
  /** Wall clock, Unix epoch ms. */
  readonly nowMs: number;
  /** How long it holds; at least 1,000 ms, rounded down to whole seconds. */
  readonly timeToLiveMs: number;
}

/**
 * A membership for `member` in the network of `root`, as the DAG-CBOR bytes that travel.
 * @throws {EasynetError} INVALID_ARGUMENT when the times are out of range
 */
export async function issueMembership(
  root: KeyPair,
  member: Did,
  options: IssueMembershipOptions,
): Promise<Uint8Array> {
  const { nowMs, timeToLiveMs } = options;
  const exp = Math.floor((nowMs + timeToLiveMs) / 1000);
  if (!(timeToLiveMs >= 1000) || !Number.isSafeInteger(exp * 1000)) {
    const reason = `${timeToLiveMs} ms is not a lifetime of at least 1000 ms`;
    throw new EasynetError("INVALID_ARGUMENT", { subject: "A membership", reason });
  }
  const { encode, getSignaturePayload } = await loadEnvelope();
  const signaturePayload = getSignaturePayload({
    spec: "dlg",
    version: UCAN_VERSION,
    signatureType: "Ed25519",
    payload: {
      iss: ucanDid(root.did),
      aud: ucanDid(member),
      sub: ucanDid(root.did),
      cmd: MEMBERSHIP_COMMAND,
      pol: [],
      nonce: randomBytes(NONCE_BYTES),
      nbf: Math.floor(nowMs / 1000),
      exp,
    },
  });
  const bytes = encode({ signature: new Uint8Array(64), signaturePayload });
  bytes.set(root.sign(bytes.subarray(SIGNED_OFFSET)), ENVELOPE_PREFIX.length);
  return bytes;
}

export interface VerifyMembershipOptions {
  readonly network: Did;
  readonly member: Did;
  /** Wall clock, Unix epoch ms. */
  readonly nowMs: number;
}

/**
 * Checks that `bytes` make `member` a member of `network` now.
 * @throws {EasynetError} MEMBERSHIP_INVALID with `details.reason`; nothing else, whatever the bytes are
 */
export async function verifyMembership(bytes: Uint8Array, options: VerifyMembershipOptions): Promise<Membership> {
  const { network, member, nowMs } = options;
  const refuse = (reason: string, cause?: unknown): never => {
    throw new EasynetError("MEMBERSHIP_INVALID", { peer: member, reason }, { cause });
  };
  if (bytes.length > MEMBERSHIP_BYTES_MAX) refuse(`its membership has ${bytes.length} bytes`);
  const codec = await loadEnvelope();
  const claims = ((): Claims => {
    try {
      return readClaims(bytes, codec);
    } catch (error) {
      return refuse("its membership is not a UCAN 1.0 delegation", error);
    }
  })();
  if (claims.iss !== network || claims.sub !== network) refuse("its membership was issued for another network");
  if (claims.aud !== member) refuse("its membership was issued to another key");
  if (claims.cmd !== MEMBERSHIP_COMMAND) refuse("its delegation is not a membership");
  if (claims.conditions !== 0) refuse("its membership has conditions that this version does not know");
  const expiresAtMs = claims.exp * 1000;
  if (nowMs >= expiresAtMs) refuse(`its membership expired at ${expiresAtMs}`);
  if (claims.nbf * 1000 > nowMs + MEMBERSHIP_SKEW_MS) refuse("its membership is not valid yet; compare the clocks");
  const signature = bytes.subarray(ENVELOPE_PREFIX.length, SIGNED_OFFSET);
  if (!verifySignature(network, bytes.subarray(SIGNED_OFFSET), signature)) {
    refuse("the signature of its membership does not verify");
  }
  return { network, member, expiresAtMs };
}

interface Claims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string | null | undefined;
  readonly cmd: string;
  readonly conditions: number;
  readonly exp: number;
  readonly nbf: number;
}

type EnvelopeCodec = Pick<typeof Envelope, "decode" | "encode" | "getSignaturePayload">;

/** Throws anything; `verifyMembership` turns it into its own error. */
function readClaims(bytes: Uint8Array, codec: EnvelopeCodec): Claims {
  if (ENVELOPE_PREFIX.some((byte, index) => bytes[index] !== byte)) throw new TypeError("no 64-byte signature");
  const { spec, version, alg, enc, signature, payload } = codec.decode<"dlg">({ envelope: bytes });
  if (spec !== "dlg" || version !== UCAN_VERSION) throw new TypeError("not a delegation of this UCAN version");
  if (alg !== "Ed25519" || enc !== "DAG-CBOR") throw new TypeError("not signed with Ed25519 over DAG-CBOR");
  // One membership has one encoding: no further keys, no other order, no longer form of a number.
  const signaturePayload = codec.getSignaturePayload({ spec, version, signatureType: alg, payload });
  if (Buffer.compare(codec.encode({ signature, signaturePayload }), bytes) !== 0) throw new TypeError("not canonical");
  const { iss, aud, sub, cmd, pol, exp, nbf = 0 } = payload;
  if (!Number.isSafeInteger(exp) || exp === null) throw new TypeError("no expiry");
  if (!Number.isSafeInteger(nbf)) throw new TypeError("not-before is not a number of seconds");
  if (!Array.isArray(pol)) throw new TypeError("no policy");
  return { iss, aud, sub, cmd, conditions: pol.length, exp, nbf };
}

function ucanDid(did: Did): `did:key:${string}` {
  return `did:key:${parseDid(did).slice("did:key:".length)}`;
}

/**
 * Loaded at the first membership, not with this module: with its dependencies it takes some 40 ms, which the CLI
 * and everything else that only names keys need not pay.
 */
function loadEnvelope(): Promise<EnvelopeCodec> {
  return import("iso-ucan/envelope");
}
