/**
 * UCAN 1.0 delegations (ucan-wg/spec, ucan-wg/delegation), one at a time: a command on a network, no conditions.
 * Envelope and DAG-CBOR come from iso-ucan; signing and verifying are node:crypto's, because the library's own cost 15
 * times as much. Policies are refused here, not ignored. Chains are membership.ts's.
 */
import { randomBytes } from "node:crypto";
import type * as Envelope from "iso-ucan/envelope";
import { EasynetError } from "../kernel/index.ts";
import { isDid, parseDid, verifySignature } from "./keys.ts";
import type { Did, KeyPair } from "./types.ts";

/** Checked before decoding; ours have 347 bytes. */
export const DELEGATION_BYTES_MAX = 4096;
/** How far the clock of the issuer may be ahead of ours. */
export const DELEGATION_SKEW_MS = 60_000;
export const DELEGATION_NONCE_BYTES = 12;

const UCAN_VERSION = "1.0.0";
/** CBOR: array of two, then a byte string of 64. What follows the signature is what was signed. */
const ENVELOPE_PREFIX = [0x82, 0x58, 0x40] as const;
const SIGNED_OFFSET = ENVELOPE_PREFIX.length + 64;

/** What a delegation says; times in whole seconds. */
export interface DelegationClaims {
  readonly network: Did;
  /** Who signs it: the network's root key, or somebody whom it gave the right. */
  readonly issuer: Did;
  readonly audience: Did;
  readonly command: string;
  readonly nonce: Uint8Array;
  readonly notBeforeSeconds: number;
  readonly expiresSeconds: number;
}

/** The DAG-CBOR bytes of a delegation around its signature (64 bytes); the same claims give the same bytes. */
export async function assembleDelegation(claims: DelegationClaims, signature: Uint8Array): Promise<Uint8Array> {
  const { encode, getSignaturePayload } = await loadEnvelope();
  const signaturePayload = getSignaturePayload({
    spec: "dlg",
    version: UCAN_VERSION,
    signatureType: "Ed25519",
    payload: {
      iss: ucanDid(claims.issuer),
      aud: ucanDid(claims.audience),
      sub: ucanDid(claims.network),
      cmd: claims.command,
      pol: [],
      nonce: Uint8Array.from(claims.nonce),
      nbf: claims.notBeforeSeconds,
      exp: claims.expiresSeconds,
    },
  });
  return encode({ signature: Uint8Array.from(signature), signaturePayload });
}

export interface IssueDelegationOptions {
  readonly network: Did;
  readonly audience: Did;
  readonly command: string;
  /** Wall clock, Unix epoch ms. */
  readonly nowMs: number;
  /** How long it holds; at least 1,000 ms, rounded down to whole seconds. */
  readonly timeToLiveMs: number;
  /** It ends no later than this, Unix epoch ms. @default never */
  readonly endsByMs?: number;
  /** @default random */
  readonly nonce?: Uint8Array;
}

/** @throws {EasynetError} INVALID_ARGUMENT when the times are out of range */
export async function issueDelegation(issuer: KeyPair, options: IssueDelegationOptions): Promise<Uint8Array> {
  const { network, audience, command, nowMs, timeToLiveMs, endsByMs = Infinity } = options;
  const { nonce = randomBytes(DELEGATION_NONCE_BYTES) } = options;
  const expiresSeconds = Math.floor(Math.min(nowMs + timeToLiveMs, endsByMs) / 1000);
  if (!(timeToLiveMs >= 1000) || !Number.isSafeInteger(expiresSeconds * 1000)) {
    const reason = `${timeToLiveMs} ms is not a lifetime of at least 1000 ms`;
    throw new EasynetError("INVALID_ARGUMENT", { subject: "A membership", reason });
  }
  const notBeforeSeconds = Math.floor(nowMs / 1000);
  const times = { notBeforeSeconds, expiresSeconds };
  const claims = { network, issuer: issuer.did, audience, command, nonce, ...times };
  const bytes = await assembleDelegation(claims, new Uint8Array(64));
  bytes.set(issuer.sign(bytes.subarray(SIGNED_OFFSET)), ENVELOPE_PREFIX.length);
  return bytes;
}

/** The 64 bytes over the rest of a delegation. */
export function signatureOfDelegation(bytes: Uint8Array): Uint8Array {
  return bytes.slice(ENVELOPE_PREFIX.length, SIGNED_OFFSET);
}

export interface CheckDelegationOptions {
  readonly network: Did;
  readonly issuer: Did;
  /** Undefined: anybody; who it is comes back. */
  readonly audience: Did | undefined;
  /** Any of these. */
  readonly commands: readonly string[];
  /** Wall clock, Unix epoch ms. */
  readonly nowMs: number;
  /** Makes the error of a refusal; `reason` starts with "its". */
  readonly refuse: (reason: string, cause?: unknown) => never;
}

export interface CheckedDelegation {
  readonly audience: Did;
  readonly command: string;
  /** Unix epoch ms. */
  readonly expiresAtMs: number;
}

/** What the delegation says, once it is found good. Throws what `refuse` throws and nothing else. */
export async function checkDelegation(bytes: Uint8Array, options: CheckDelegationOptions): Promise<CheckedDelegation> {
  const { network, issuer, audience, commands, nowMs, refuse } = options;
  if (bytes.length > DELEGATION_BYTES_MAX) refuse(`its membership has ${bytes.length} bytes`);
  const codec = await loadEnvelope();
  const claims = ((): Claims => {
    try {
      return readClaims(bytes, codec);
    } catch (error) {
      return refuse("its membership is not a UCAN 1.0 delegation", error);
    }
  })();
  if (claims.iss !== issuer || claims.sub !== network) refuse("its membership was issued for another network");
  if (typeof claims.aud !== "string" || !isDid(claims.aud) || claims.aud !== (audience ?? claims.aud)) {
    return refuse("its membership was issued to another key");
  }
  if (!commands.includes(claims.cmd)) refuse("its delegation is not a membership");
  if (claims.conditions !== 0) refuse("its membership has conditions that this version does not know");
  const expiresAtMs = claims.exp * 1000;
  if (nowMs >= expiresAtMs) refuse(`its membership expired at ${expiresAtMs}`);
  if (claims.nbf * 1000 > nowMs + DELEGATION_SKEW_MS) refuse("its membership is not valid yet; compare the clocks");
  const signature = bytes.subarray(ENVELOPE_PREFIX.length, SIGNED_OFFSET);
  if (!verifySignature(issuer, bytes.subarray(SIGNED_OFFSET), signature)) {
    refuse("the signature of its membership does not verify");
  }
  return { audience: claims.aud, command: claims.cmd, expiresAtMs };
}

interface Claims {
  readonly iss: string;
  /** Whatever stood there. */
  readonly aud: unknown;
  readonly sub: string | null | undefined;
  readonly cmd: string;
  readonly conditions: number;
  readonly exp: number;
  readonly nbf: number;
}

type EnvelopeCodec = Pick<typeof Envelope, "decode" | "encode" | "getSignaturePayload">;

/** Throws anything; `checkDelegation` turns it into its own error. */
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
 * Loaded at the first delegation, not with this module: with its dependencies it takes some 40 ms, which the CLI
 * and everything else that only names keys need not pay.
 */
function loadEnvelope(): Promise<EnvelopeCodec> {
  return import("iso-ucan/envelope");
}
