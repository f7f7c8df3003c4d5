import { expect, test } from "vitest";
import { generateKeyPair, issueMembership, keyPairFromSeed, verifyMembership } from "../identity/index.ts";
import { silentLogger } from "../kernel/index.ts";
import { FakeMesh, FakeNetwork, fakeKeyPair } from "../testing/fake-mesh.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { MembershipRenewal } from "./membership-renewal.ts";
import { MEMBERSHIP_TIME_TO_LIVE_MS } from "./network.ts";

const DAY_MS = 86_400_000;
const root = keyPairFromSeed(new Uint8Array(32).fill(9));
const network = { did: root.did, name: "home" };

/** An issuer and a member on a fake mesh, linked. */
function begin() {
  const clock = new VirtualClock();
  const fake = new FakeNetwork({ clock });
  const [issuer, member] = [fakeKeyPair(1), fakeKeyPair(2)].map((keyPair) => new FakeMesh(fake, keyPair.did, {}));
  return { clock, fake, issuer: issuer!, member: member! };
}

async function link(world: ReturnType<typeof begin>): Promise<void> {
  await Promise.all([world.issuer.start(), world.member.start()]);
  world.member.learn(world.issuer.self, ["/fake"]);
  await world.clock.advanceAsync(1000);
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
  await link(world);
  await clock.advanceAsync(9 * DAY_MS);
  expect(renewed).toHaveLength(0);
  await clock.advanceAsync(2 * DAY_MS);
  await new Promise((resolve) => setImmediate(resolve));
  await clock.advanceAsync(DAY_MS / 2);
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
  await link(world);
  const at = { nowMs: clock.nowMs(), timeToLiveMs: 30 * DAY_MS };
  const bodies = [
    await issueMembership(root, generateKeyPair().did, at),
    await issueMembership(generateKeyPair(), member.self, at),
    await issueMembership(root, member.self, { ...at, timeToLiveMs: 5 * DAY_MS }),
    Uint8Array.of(1, 2, 3),
  ];
  for (const body of bodies) issuer.send(member.self, { lane: "control", type: 69, body });
  await clock.advanceAsync(1000);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(renewedCount).toBe(0);
});
