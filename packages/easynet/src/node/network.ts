import {
  type Did,
  issueMembership,
  type KeyPair,
  type Membership,
  parseDid,
  verifyMembership,
} from "../identity/index.ts";
import type { Clock } from "../kernel/index.ts";
import type { Home } from "./home.ts";
import type { MembershipFile } from "./types.ts";

/** Of who is a member only: 30 days, renewed over links long before (membership-renewal.ts). */
export const MEMBERSHIP_TIME_TO_LIVE_MS = 30 * 86_400_000;
/**
 * Of who may let others in: 10 years. Nobody but the root key can make it longer, so the network outlives the machine
 * that made it by as much; an early end would protect from nothing, since who has the right can make new members.
 */
export const RIGHT_TIME_TO_LIVE_MS = 10 * 365 * 86_400_000;

/** What this node signs memberships with: the network's root key, or its own key through its own membership. */
export interface Granter {
  readonly keyPair: KeyPair;
  readonly through?: { readonly network: Did; readonly membership: Uint8Array };
}

export interface NetworkAccess {
  readonly membership: MembershipFile;
  /** UCAN delegations of `membership`, as they travel. */
  readonly delegation: Uint8Array;
  /** What they say. */
  readonly verified: Membership;
  /** The root key of this very network, if this machine holds it. */
  readonly root: KeyPair | undefined;
}

/**
 * The network that this machine is in. Without one it creates its own: a fresh root key whose did is the network's
 * id, and a membership for this node signed by it. @throws {EasynetError} MEMBERSHIP_INVALID when it has expired and
 * this machine cannot renew it
 */
export async function openNetwork(
  home: Home,
  nodeKey: KeyPair,
  options: { readonly clock: Clock; readonly networkName: string },
): Promise<NetworkAccess> {
  const { clock, networkName } = options;
  const stored = home.membership();
  const root = home.rootKey();
  // The root key of another network, which this machine created and left, stays in the folder and says nothing here.
  if (stored && stored.network !== root?.did) {
    const delegation = Buffer.from(stored.delegation, "base64");
    const network = parseDid(stored.network);
    const verified = await verifyMembership(delegation, { network, member: nodeKey.did, nowMs: clock.nowMs() });
    return { membership: stored, delegation, verified, root: undefined };
  }
  const key = root ?? home.createRootKey();
  const nowMs = clock.nowMs();
  const membership = await issueMembershipFile(
    { keyPair: key },
    {
      member: nodeKey.did,
      networkName: stored?.networkName ?? networkName,
      addresses: stored?.addresses ?? [],
      mayInvite: true,
      nowMs,
    },
  );
  home.saveMembership(membership);
  const delegation = Buffer.from(membership.delegation, "base64");
  const verified = await verifyMembership(delegation, { network: key.did, member: nodeKey.did, nowMs });
  return { membership, delegation, verified, root: key };
}

export interface MembershipOptions {
  readonly member: string;
  readonly networkName: string;
  readonly addresses: readonly string[];
  /** The member may let others in, too. */
  readonly mayInvite: boolean;
  readonly nowMs: number;
}

/** @throws {EasynetError} INVALID_ARGUMENT when `member` is no did; INVITE_RIGHT_MISSING */
export async function issueMembershipFile(granter: Granter, options: MembershipOptions): Promise<MembershipFile> {
  const { keyPair, through } = granter;
  const { nowMs, mayInvite } = options;
  const delegation = await issueMembership(keyPair, parseDid(options.member), {
    nowMs,
    timeToLiveMs: lifetimeMs(mayInvite),
    mayInvite,
    ...(through && { through }),
  });
  return {
    network: through?.network ?? keyPair.did,
    networkName: options.networkName,
    member: options.member,
    delegation: Buffer.from(delegation).toString("base64"),
    addresses: [...options.addresses],
  };
}

/** How long a new membership holds, ms. */
export function lifetimeMs(mayInvite: boolean): number {
  return mayInvite ? RIGHT_TIME_TO_LIVE_MS : MEMBERSHIP_TIME_TO_LIVE_MS;
}
