/**
 * An invitation: a short-lived delegation (delegation.ts) of `/easynet/net/invite` from a member that may let others in,
 * the issuer, to a key made for this invitation alone. The code carries that key's secret; whoever holds the code proves it by signing the
 * own did with it, and gets a membership for that did only. Nothing in the code opens the network by itself: the issuer
 * decides how often and until when, and the secret is worth nothing afterwards.
 */
import { createHash, randomBytes } from "node:crypto";
import { EasynetError } from "../kernel/index.ts";
import {
  assembleDelegation,
  checkDelegation,
  DELEGATION_NONCE_BYTES,
  issueDelegation,
  signatureOfDelegation,
} from "./delegation.ts";
import { keyPairFromSeed, verifySignature } from "./keys.ts";
import type { Did, KeyPair } from "./types.ts";

export const INVITE_COMMAND = "/easynet/net/invite";
/** 128 bits: nobody guesses one while it holds. */
export const INVITE_SECRET_BYTES = 16;
/** What each signature of a joiner begins with, so that it can be taken for nothing else. */
const PROOF_CONTEXT = "easynet-join-1\n";

export interface Invite {
  readonly network: Did;
  readonly networkName: string;
  /** The node that admits whoever shows the code. */
  readonly issuer: Did;
  readonly secret: Uint8Array;
  readonly notBeforeSeconds: number;
  readonly expiresSeconds: number;
  /** Of the delegation, by the issuer's key; 64 bytes. */
  readonly signature: Uint8Array;
  /** Where the issuer is, without its key. */
  readonly issuerAddresses: readonly string[];
  /** Where other members are, who pass a request on to the issuer. */
  readonly memberAddresses: readonly string[];
}

/** The key of an invitation and the nonce of its delegation, both from the secret. */
export function inviteKey(secret: Uint8Array): { readonly keyPair: KeyPair; readonly nonce: Uint8Array } {
  const digest = (label: string): Buffer => createHash("sha256").update(label).update(secret).digest();
  const nonce = digest("easynet-invite-nonce-1\n").subarray(0, DELEGATION_NONCE_BYTES);
  return { keyPair: keyPairFromSeed(digest("easynet-invite-key-1\n")), nonce };
}

export interface IssueInviteOptions extends Pick<
  Invite,
  "network" | "networkName" | "issuerAddresses" | "memberAddresses"
> {
  /** Wall clock, Unix epoch ms. */
  readonly nowMs: number;
  readonly timeToLiveMs: number;
}

/** @throws {EasynetError} INVALID_ARGUMENT when the times are out of range */
export async function issueInvite(
  issuer: KeyPair,
  options: IssueInviteOptions,
): Promise<Invite & { readonly key: Did }> {
  const { nowMs, timeToLiveMs, network, networkName, issuerAddresses, memberAddresses } = options;
  const secret = Uint8Array.from(randomBytes(INVITE_SECRET_BYTES));
  const { keyPair, nonce } = inviteKey(secret);
  const delegation = await issueDelegation(issuer, {
    network,
    audience: keyPair.did,
    command: INVITE_COMMAND,
    nowMs,
    timeToLiveMs,
    nonce,
  });
  return {
    key: keyPair.did,
    network,
    networkName,
    issuer: issuer.did,
    secret,
    notBeforeSeconds: Math.floor(nowMs / 1000),
    expiresSeconds: Math.floor((nowMs + timeToLiveMs) / 1000),
    signature: signatureOfDelegation(delegation),
    issuerAddresses,
    memberAddresses,
  };
}

/** What a joiner shows: the delegation, and its own did signed by the key that the delegation names. */
export interface InviteProof {
  readonly inviteKey: Did;
  readonly delegation: Uint8Array;
  readonly signature: Uint8Array;
}

/** @throws {EasynetError} INVITE_INVALID, INVITE_EXPIRED when the code is of no use whoever is asked */
export async function proveInvite(
  invite: Invite,
  options: { readonly joiner: Did; readonly nowMs: number },
): Promise<InviteProof> {
  const { keyPair, nonce } = inviteKey(invite.secret);
  const { network, issuer, notBeforeSeconds, expiresSeconds } = invite;
  const times = { notBeforeSeconds, expiresSeconds };
  const claims = { network, issuer, audience: keyPair.did, command: INVITE_COMMAND, nonce, ...times };
  const delegation = await assembleDelegation(claims, invite.signature);
  await checkInvite(delegation, { network, issuer, inviteKey: keyPair.did, nowMs: options.nowMs });
  const signature = keyPair.sign(proofBytes(network, options.joiner));
  return { inviteKey: keyPair.did, delegation, signature };
}

/**
 * Checks what a joiner shows to the issuer. How often the invitation was used is for the issuer to know.
 * @throws {EasynetError} INVITE_INVALID, INVITE_EXPIRED
 */
export async function verifyInviteProof(
  proof: InviteProof,
  options: { readonly network: Did; readonly issuer: Did; readonly joiner: Did; readonly nowMs: number },
): Promise<void> {
  const { network, issuer, joiner, nowMs } = options;
  await checkInvite(proof.delegation, { network, issuer, inviteKey: proof.inviteKey, nowMs });
  if (!verifySignature(proof.inviteKey, proofBytes(network, joiner), proof.signature)) {
    throw new EasynetError("INVITE_INVALID", { reason: "it was not shown by the machine that holds it" });
  }
}

async function checkInvite(
  delegation: Uint8Array,
  options: { readonly network: Did; readonly issuer: Did; readonly inviteKey: Did; readonly nowMs: number },
): Promise<void> {
  const { network, issuer, inviteKey: audience, nowMs } = options;
  const refuse = (reason: string, cause?: unknown): never => {
    if (reason.includes("expired")) throw new EasynetError("INVITE_EXPIRED", {}, { cause });
    throw new EasynetError("INVITE_INVALID", { reason: reason.replace("membership", "delegation") }, { cause });
  };
  await checkDelegation(delegation, { network, issuer, audience, commands: [INVITE_COMMAND], nowMs, refuse });
}

function proofBytes(network: Did, joiner: Did): Uint8Array {
  return Buffer.from(`${PROOF_CONTEXT}${network}\n${joiner}`);
}
