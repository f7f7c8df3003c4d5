import { expect, test } from "vitest";
import { generateKeyPair, issueMembership, keyPairFromSeed, verifyMembership } from "../identity/index.ts";
import { silentLogger } from "../kernel/index.ts";
import { FakeNetwork, fakeDid } from "../testing/fake-mesh.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { MembershipRenewal } from "./membership-renewal.ts";
import { MEMBERSHIP_TIME_TO_LIVE_MS } from "./network.ts";

const DAY_MS = 86_400_000;
const root = keyPairFromSeed(new Uint8Array(32).fill(9));
const network = { did: root.did, name: "home" };

/** An issuer and a member on a fake mesh, not linked yet. */
function begin() {
  const clock = new VirtualClock();
  const fake = new FakeNetwork({ clock });
  const [issuer, member] = [fake.join(fakeDid(1)), fake.join(fakeDid(2))];
  return { clock, fake, issuer, member };
}

/** Signatures and the codec's first load take real turns, not time. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("a member that got old asks, and takes a new membership; nobody else gets one", async () => {
  const world = begin();
  const { clock, issuer, member } = world;
  const renewed: Uint8Array[] = [];
  const options = { network, clock, logger: silentLogger };
  const expiresAtMs = clock.nowMs() + MEMBERSHIP_TIME_TO_LIVE_MS;
  using _issuing = new MembershipRenewal({
    ...options,
    mesh: issuer,
    root,
    expiresAtMs,
    onRenewed: () => expect.unreachable("an issuer is not renewed"),
  });
  using _asking = new MembershipRenewal({
    ...options,
    mesh: member,
    root: undefined,
    expiresAtMs,
    onRenewed: (delegation) => renewed.push(delegation),
  });
  world.fake.link(member.self, issuer.self);
  await clock.advanceAsync(9 * DAY_MS);
  expect(renewed).toHaveLength(0);
  await clock.advanceAsync(2 * DAY_MS);
  await turns();
  expect(renewed).toHaveLength(1);
  const check = { network: root.did, member: member.self, nowMs: clock.nowMs() };
  const { expiresAtMs: until } = await verifyMembership(renewed[0]!, check);
  expect(until).toBeGreaterThan(expiresAtMs + 5 * DAY_MS);
});

test("a membership of another key, of another network or that ends earlier is not taken", async () => {
  const world = begin();
  const { clock, issuer, member } = world;
  let renewedCount = 0;
  using _asking = new MembershipRenewal({
    mesh: member,
    network,
    root: undefined,
    clock,
    logger: silentLogger,
    expiresAtMs: clock.nowMs() + 10 * DAY_MS,
    onRenewed: () => renewedCount++,
  });
  world.fake.link(member.self, issuer.self);
  const at = { nowMs: clock.nowMs(), timeToLiveMs: 30 * DAY_MS };
  const bodies = [
    await issueMembership(root, generateKeyPair().did, at),
    await issueMembership(generateKeyPair(), member.self, at),
    await issueMembership(root, member.self, { ...at, timeToLiveMs: 5 * DAY_MS }),
    Uint8Array.of(1, 2, 3),
  ];
  for (const body of bodies) issuer.send(member.self, { lane: "control", type: 69, body });
  await clock.advanceAsync(1000);
  await turns();
  expect(renewedCount).toBe(0);
});
