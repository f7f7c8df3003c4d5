/** What a joiner and an issuer say to one another (docs/protocol/join.md): MessagePack arrays, limits checked here. */
import { type Did, type InviteProof, isDid, parseDid } from "../identity/index.ts";
import { EasynetError, type ErrorDetails, fromWireError } from "../kernel/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";
import type { Asking } from "./pending-joins-core.ts";

export interface JoinRequest {
  /** Who can let the machine in; a member that is asked instead passes the request on. */
  readonly issuer: Did | undefined;
  /** Undefined: of whoever is asked. */
  readonly network: Did | undefined;
  /** What the machine calls itself; a label. */
  readonly name: string;
  /** Without it a person has to approve. */
  readonly proof: InviteProof | undefined;
}

export type JoinAnswer =
  | {
      readonly kind: "granted";
      readonly network: Did;
      readonly networkName: string;
      readonly delegation: Uint8Array;
      readonly addresses: readonly string[];
    }
  /** A person was asked; ask again after that time. */
  | { readonly kind: "pending"; readonly retryAfterMs: number }
  | { readonly kind: "refused"; readonly error: EasynetError };

const NAME_LENGTH_MAX = 64;
const TEXT_LENGTH_MAX = 300;
const ADDRESSES_COUNT_MAX = 16;
const BYTES_MAX = 4096;
const RETRY_AFTER_MS_MAX = 60_000;

export function encodeJoinRequest(request: JoinRequest): Uint8Array {
  const { network, issuer, name, proof } = request;
  const shown = proof && [proof.inviteKey, proof.delegation, proof.signature];
  return encodeValue([network ?? null, issuer ?? null, name.slice(0, NAME_LENGTH_MAX), shown ?? null]);
}

/** @throws {EasynetError} FRAME_MALFORMED, FRAME_TOO_DEEP */
export function decodeJoinRequest(body: Uint8Array): JoinRequest {
  const [network, issuer, name, proof] = arrayOf(decodeValue(body));
  return {
    issuer: issuer === null ? undefined : didOf(issuer),
    network: network === null ? undefined : didOf(network),
    name: text(name, NAME_LENGTH_MAX),
    proof: proof === null ? undefined : proofOf(proof),
  };
}

export function encodeJoinAnswer(answer: JoinAnswer): Uint8Array {
  if (answer.kind === "granted") {
    const { network, networkName, delegation, addresses } = answer;
    return encodeValue(["granted", network, networkName, delegation, addresses.slice(0, ADDRESSES_COUNT_MAX)]);
  }
  if (answer.kind === "pending") return encodeValue(["pending", answer.retryAfterMs]);
  const { code, message, retryable, details } = answer.error.toJSON();
  return encodeValue(["refused", code, message, retryable, details]);
}

/** What another node said is data: a refusal gets our own sentence. @throws {EasynetError} FRAME_MALFORMED */
export function decodeJoinAnswer(body: Uint8Array): JoinAnswer {
  const [kind, ...fields] = arrayOf(decodeValue(body));
  if (kind === "granted") {
    return {
      kind,
      network: didOf(fields[0]),
      networkName: text(fields[1], TEXT_LENGTH_MAX),
      delegation: bytesOf(fields[2]),
      addresses: arrayOf(fields[3])
        .slice(0, ADDRESSES_COUNT_MAX)
        .map((address) => text(address, TEXT_LENGTH_MAX)),
    };
  }
  if (kind === "pending") {
    const wanted = typeof fields[0] === "number" && fields[0] >= 0 ? fields[0] : 0;
    return { kind, retryAfterMs: Math.min(wanted, RETRY_AFTER_MS_MAX) };
  }
  if (kind !== "refused") throw malformed("an answer to a request to join is of an unknown kind");
  const code = text(fields[0], NAME_LENGTH_MAX);
  const message = text(fields[1], 1024);
  return {
    kind,
    error: fromWireError({ code, message, retryable: fields[2] === true, details: detailsOf(fields[3]) }),
  };
}

/** A request that a member passes on; the did is the one that the stranger proved to it. */
export function encodeForwarded(joiner: Did, request: Uint8Array): Uint8Array {
  return encodeValue([joiner, request]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeForwarded(body: Uint8Array): { readonly joiner: Did; readonly request: Uint8Array } {
  const [joiner, request] = arrayOf(decodeValue(body));
  return { joiner: didOf(joiner), request: bytesOf(request) };
}

/** A machine that waits for a person, as the member that it asked tells of it. */
export function encodeAsked({ did, name, address }: Asking): Uint8Array {
  return encodeValue([did, name.slice(0, NAME_LENGTH_MAX), address.slice(0, TEXT_LENGTH_MAX)]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeAsked(body: Uint8Array): Asking {
  const [did, name, address] = arrayOf(decodeValue(body));
  return { did: didOf(did), name: text(name, NAME_LENGTH_MAX), address: text(address, TEXT_LENGTH_MAX) };
}

/** The membership for a machine that waits at another member. */
export function encodeApproved(joiner: Did, grant: Uint8Array): Uint8Array {
  return encodeValue([joiner, grant]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeApproved(body: Uint8Array): { readonly joiner: Did; readonly grant: Uint8Array } {
  const [joiner, grant] = arrayOf(decodeValue(body));
  return { joiner: didOf(joiner), grant: bytesOf(grant) };
}

function proofOf(value: unknown): InviteProof {
  const [inviteKey, delegation, signature] = arrayOf(value);
  return { inviteKey: didOf(inviteKey), delegation: bytesOf(delegation), signature: bytesOf(signature) };
}

/** `fromWireError` bounds what is in it. */
function detailsOf(value: unknown): ErrorDetails {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function arrayOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw malformed("a message about joining is not an array");
}

function didOf(value: unknown): Did {
  if (typeof value === "string" && isDid(value)) return parseDid(value);
  throw malformed("a message about joining names no did");
}

function text(value: unknown, lengthMax: number): string {
  if (typeof value === "string" && value.length > 0 && value.length <= lengthMax) return value;
  throw malformed("a text is missing or too long");
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array && value.length <= BYTES_MAX) return Uint8Array.from(value);
  throw malformed("bytes are missing or too long");
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
