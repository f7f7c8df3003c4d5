/**
 * Detached JSON Web Signatures (RFC 7515 appendix F) with Ed25519 (RFC 8037, `alg` EdDSA): the form in which A2A 1.0
 * signs agent cards (section 8.4.2). The payload does not travel; the verifier derives it from what it received.
 * The key is never fetched: `kid` must name the signer that the caller expects, and `jku`, `jwk`, `x5u` are ignored.
 */
import { EasynetError } from "../kernel/index.ts";
import { canonicalJson } from "./canonical-json.ts";
import { type SignatureClaim, verifySignature } from "./keys.ts";
import type { Did, KeyPair } from "./types.ts";

/** The two parts of a JWS that travel, base64url without padding. */
export interface DetachedJws {
  readonly protected: string;
  readonly signature: string;
}

/** Characters of a protected header; ours has 206. */
export const JWS_PROTECTED_LENGTH_MAX = 500;

/** The verification method of a did:key (did:key method, section 3.1): `did:key:z6Mk…#z6Mk…`. */
export function didKeyUrl(did: Did): string {
  return `${did}#${did.slice("did:key:".length)}`;
}

/** Signs `payload` for its key's did. The same input always gives the same signature (Ed25519 is deterministic). */
export function signDetached(keyPair: KeyPair, payload: Uint8Array): DetachedJws {
  const header = canonicalJson({ alg: "EdDSA", kid: didKeyUrl(keyPair.did), typ: "JOSE" });
  const protectedPart = Buffer.from(header).toString("base64url");
  const signature = keyPair.sign(signingInput(protectedPart, payload));
  return { protected: protectedPart, signature: Buffer.from(signature).toString("base64url") };
}

export interface VerifyDetachedOptions {
  /** Whose signature it must be. */
  readonly signer: Did;
  /** What was signed, for the error message. */
  readonly subject: string;
}

/**
 * Returns when `jws` is the signer's signature over `payload`.
 * @throws {EasynetError} SIGNATURE_INVALID with `details.reason`
 */
export function verifyDetached(jws: DetachedJws, payload: Uint8Array, options: VerifyDetachedOptions): void {
  const { did, bytes, signature } = openDetached(jws, payload, options);
  if (verifySignature(did, bytes, signature)) return;
  throw new EasynetError("SIGNATURE_INVALID", { subject: options.subject, reason: "it does not fit the content" });
}

/**
 * What `jws` claims, everything but the signature itself checked.
 * @throws {EasynetError} SIGNATURE_INVALID with `details.reason`
 */
export function openDetached(jws: DetachedJws, payload: Uint8Array, options: VerifyDetachedOptions): SignatureClaim {
  const { signer, subject } = options;
  const refuse = (reason: string): never => {
    throw new EasynetError("SIGNATURE_INVALID", { subject, reason });
  };
  if (jws.protected.length > JWS_PROTECTED_LENGTH_MAX) refuse("its protected header is too long");
  const header = parseHeader(jws.protected);
  if (!header) return refuse("its protected header is not base64url of a JSON object");
  if (header.get("alg") !== "EdDSA") refuse("its algorithm is not EdDSA");
  if (header.has("crit")) refuse("it demands an extension that this version does not know");
  const kid = header.get("kid");
  if (kid !== didKeyUrl(signer) && kid !== signer) refuse("it names another key");
  const signature = decodeBase64Url(jws.signature);
  if (signature?.length !== 64) return refuse("it is not base64url of 64 bytes");
  return { did: signer, bytes: signingInput(jws.protected, payload), signature };
}

function signingInput(protectedPart: string, payload: Uint8Array): Uint8Array {
  return Buffer.from(`${protectedPart}.${Buffer.from(payload).toString("base64url")}`, "latin1");
}

function parseHeader(protectedPart: string): Map<string, unknown> | undefined {
  const bytes = decodeBase64Url(protectedPart);
  if (!bytes) return undefined;
  try {
    const header: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof header !== "object" || header === null || Array.isArray(header)) return undefined;
    return new Map(Object.entries(header));
  } catch {
    return undefined;
  }
}

/** Undefined unless `text` is the one base64url text of its bytes (RFC 4648 section 3.5: no stray bits). */
function decodeBase64Url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}
