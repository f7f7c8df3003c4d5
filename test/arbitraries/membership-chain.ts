/** Chains of delegations, good and forged, each link properly signed by whoever signs it; and what they are worth. */
import * as fc from "fast-check";
import { joinDelegations } from "../../packages/easynet/src/identity/delegation-chain.ts";
import { issueDelegation } from "../../packages/easynet/src/identity/delegation.ts";
import { type Did, type KeyPair, keyPairFromSeed } from "../../packages/easynet/src/identity/index.ts";
import { isEasynetError } from "../../packages/easynet/src/kernel/index.ts";
import { verifyMembership } from "../../packages/easynet/src/identity/membership.ts";

export const NOW_MS = 1_700_000_000_000;
const SKEW_MS = 60_000;
const COUNT_MAX = 8;
const RIGHT = "/easynet/net";
const MEMBER = "/easynet/net/member";
const COMMANDS = [RIGHT, MEMBER, "/easynet/net/invite", "/easynet", "/", "/easynet/network"];
/** The first one is the root key. */
const KEYS = Array.from({ length: 5 }, (_, index) => keyPairFromSeed(new Uint8Array(32).fill(200 + index)));

export interface Link {
  readonly by: number;
  readonly to: number;
  readonly about: number;
  readonly command: string;
  /** From now, ms. */
  readonly beginsInMs: number;
  readonly lifetimeMs: number;
}

const holder = fc.integer({ min: 0, max: KEYS.length - 1 });
const good = fc.record({
  to: holder,
  beginsInMs: fc.integer({ min: -7_000_000, max: 50_000 }),
  lifetimeMs: fc.integer({ min: 7_200_000, max: 99_000_000 }),
});
/** One field of one link is something else; often that makes no difference. */
const change = fc.record({
  at: fc.nat({ max: 8 }),
  fields: fc.oneof(
    fc.record({ by: holder }),
    fc.record({ to: holder }),
    fc.record({ about: holder }),
    fc.record({ command: fc.constantFrom(...COMMANDS) }),
    fc.record({ beginsInMs: fc.integer({ min: 0, max: 200_000 }) }),
    fc.record({ beginsInMs: fc.constant(-7_000_000), lifetimeMs: fc.integer({ min: 1000, max: 14_000_000 }) }),
  ),
});

/** Mostly chains that lead from the root key to somebody, with up to two changes. */
export const chains = fc
  .tuple(fc.array(good, { minLength: 1, maxLength: 9 }), fc.boolean(), fc.array(change, { maxLength: 2 }))
  .map(([holders, mayInvite, changes]): readonly Link[] => {
    const links = holders.map((link, index): Link => {
      const command = index === holders.length - 1 && !mayInvite ? MEMBER : RIGHT;
      return { ...link, by: index === 0 ? 0 : (holders[index - 1]?.to ?? 0), about: 0, command };
    });
    return links.map((link, index) =>
      Object.assign({}, link, ...changes.filter(({ at }) => at === index).map(({ fields }) => fields)),
    );
  });

/** What a chain is worth, said another way than the code under test says it; undefined = nothing. */
export function worthOf(
  links: readonly Link[],
): { readonly mayInvite: boolean; readonly expiresAtMs: number } | undefined {
  const ends = links.map(({ beginsInMs, lifetimeMs }) => Math.floor((NOW_MS + beginsInMs + lifetimeMs) / 1000) * 1000);
  const faults = links.map(
    (link, index) =>
      link.by !== (index === 0 ? 0 : links[index - 1]?.to) ||
      link.about !== 0 ||
      !(link.command === RIGHT || (link.command === MEMBER && index === links.length - 1)) ||
      Math.floor((NOW_MS + link.beginsInMs) / 1000) * 1000 > NOW_MS + SKEW_MS ||
      (ends[index] ?? 0) <= NOW_MS,
  );
  if (links.length > COUNT_MAX || faults.includes(true)) return undefined;
  return { mayInvite: links.at(-1)?.command === RIGHT, expiresAtMs: Math.min(...ends) };
}

/** What the code under test says of it, shown by whom the last link names. */
export async function findWorth(links: readonly Link[]): Promise<ReturnType<typeof worthOf>> {
  const made = links.map(({ by, to, about, command, beginsInMs, lifetimeMs }) =>
    issueDelegation(keyOf(by), {
      network: didOf(about),
      audience: didOf(to),
      command,
      nowMs: NOW_MS + beginsInMs,
      timeToLiveMs: lifetimeMs,
    }),
  );
  const bytes = joinDelegations(await Promise.all(made));
  try {
    const options = { network: didOf(0), member: didOf(links.at(-1)?.to ?? 0), nowMs: NOW_MS };
    const { mayInvite, expiresAtMs } = await verifyMembership(bytes, options);
    return { mayInvite, expiresAtMs };
  } catch (error) {
    if (isEasynetError(error, "MEMBERSHIP_INVALID")) return undefined;
    throw error;
  }
}

function keyOf(index: number): KeyPair {
  const key = KEYS[index];
  if (!key) throw new RangeError(`there is no key ${index}`);
  return key;
}

function didOf(index: number): Did {
  return keyOf(index).did;
}
