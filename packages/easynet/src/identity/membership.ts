/**
 * The right to be in a network: a chain of UCAN delegations (delegation.ts) from the network's root key to a member's
 * key. The last one is for `/easynet/net/member`, or for `/easynet/net`, which covers that command and those of letting
 * others in (UCAN command hierarchy). Every one before the last has to be for `/easynet/net`: unlike plain UCAN, who is
 * a member only cannot make members.
 */
import { EasynetError } from "../kernel/index.ts";
import { checkDelegation, DELEGATION_BYTES_MAX, DELEGATION_SKEW_MS, issueDelegation } from "./delegation.ts";
import { joinDelegations, MEMBERSHIP_DELEGATIONS_COUNT_MAX, splitDelegations } from "./delegation-chain.ts";
import type { Did, KeyPair, Membership } from "./types.ts";

export const MEMBERSHIP_COMMAND = "/easynet/net/member";
/** Membership, and the right to make others members. */
export const INVITING_COMMAND = "/easynet/net";
export const MEMBERSHIP_BYTES_MAX = DELEGATION_BYTES_MAX;
/** How far the clock of the issuer may be ahead of ours. */
export const MEMBERSHIP_SKEW_MS = DELEGATION_SKEW_MS;

export interface IssueMembershipOptions {
  /** Wall clock, Unix epoch ms. */
  readonly nowMs: number;
  /** How long it holds; at least 1,000 ms, rounded down to whole seconds, never longer than the issuer's own. */
  readonly timeToLiveMs: number;
  /** With the right to make others members; a chain of full length ends without it. @default false */
  readonly mayInvite?: boolean;
  /** The issuer's own membership. @default none: the issuer is the root key */
  readonly through?: { readonly network: Did; readonly membership: Uint8Array };
}

/**
 * A membership for `member` in the network of `issuer`, as the bytes that travel.
 * @throws {EasynetError} INVALID_ARGUMENT when the times are out of range; INVITE_RIGHT_MISSING, MEMBERSHIP_INVALID
 * when `through` gives the issuer no right
 */
export async function issueMembership(
  issuer: KeyPair,
  member: Did,
  options: IssueMembershipOptions,
): Promise<Uint8Array> {
  const { nowMs, timeToLiveMs, mayInvite = false, through } = options;
  const own = through && (await verifyMembership(through.membership, { ...through, member: issuer.did, nowMs }));
  const before = through ? splitDelegations(through.membership) : [];
  const network = through?.network ?? issuer.did;
  if ((own && !own.mayInvite) || before.length >= MEMBERSHIP_DELEGATIONS_COUNT_MAX) {
    throw new EasynetError("INVITE_RIGHT_MISSING", { network });
  }
  const passesOn = mayInvite && before.length + 1 < MEMBERSHIP_DELEGATIONS_COUNT_MAX;
  const last = await issueDelegation(issuer, {
    network,
    audience: member,
    command: passesOn ? INVITING_COMMAND : MEMBERSHIP_COMMAND,
    nowMs,
    timeToLiveMs,
    ...(own && { endsByMs: own.expiresAtMs }),
  });
  return joinDelegations([...before, last]);
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
  const delegations = splitDelegations(bytes);
  const last = delegations.length - 1;
  let [issuer, expiresAtMs, mayInvite] = [network, Infinity, true];
  for (const [index, delegation] of delegations.entries()) {
    const ends = index === last;
    const commands = ends ? [MEMBERSHIP_COMMAND, INVITING_COMMAND] : [INVITING_COMMAND];
    const audience = ends ? member : undefined;
    const checked = await checkDelegation(delegation, { network, issuer, audience, commands, nowMs, refuse });
    issuer = checked.audience;
    expiresAtMs = Math.min(expiresAtMs, checked.expiresAtMs);
    mayInvite = checked.command === INVITING_COMMAND;
  }
  return { network, member, expiresAtMs, mayInvite, delegationsCount: delegations.length };
}
