/**
 * The right to be in a network: a delegation (delegation.ts) from the network's root key to a member's key, for the
 * command `/easynet/net/member` on the network itself.
 */
import { EasynetError } from "../kernel/index.ts";
import { checkDelegation, DELEGATION_BYTES_MAX, DELEGATION_SKEW_MS, issueDelegation } from "./delegation.ts";
import type { Did, KeyPair, Membership } from "./types.ts";

export const MEMBERSHIP_COMMAND = "/easynet/net/member";
export const MEMBERSHIP_BYTES_MAX = DELEGATION_BYTES_MAX;
/** How far the clock of the issuer may be ahead of ours. */
export const MEMBERSHIP_SKEW_MS = DELEGATION_SKEW_MS;

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
  return issueDelegation(root, { ...options, audience: member, command: MEMBERSHIP_COMMAND });
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
  const command = MEMBERSHIP_COMMAND;
  const expiresAtMs = await checkDelegation(bytes, { network, audience: member, command, nowMs, refuse });
  return { network, member, expiresAtMs };
}
