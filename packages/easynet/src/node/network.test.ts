import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseDid, verifyMembership } from "../identity/index.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Home } from "./home.ts";
import { issueMembershipFile, openNetwork } from "./network.ts";
import { nodeNameFor } from "./node-name.ts";

const DAY_MS = 86_400_000;

function newHome(): Home {
  const path = mkdtempSync(join(tmpdir(), "easynet-network-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return new Home(path);
}

describe("the network of a machine", () => {
  test("the first start makes one, whose id is the key that signs its members", async () => {
    const [home, clock] = [newHome(), new VirtualClock()];
    const { membership, delegation } = await openNetwork(home, home.nodeKey(), { clock, networkName: "lab" });
    expect(membership).toMatchObject({ networkName: "lab", member: home.nodeKey().did, network: home.rootKey()?.did });
    const network = parseDid(membership.network);
    const member = home.nodeKey().did;
    await expect(verifyMembership(delegation, { network, member, nowMs: clock.nowMs() })).resolves.toMatchObject({
      network,
      member,
    });
  });

  test("later starts stay in it, and its creator renews its own membership", async () => {
    const [home, clock] = [newHome(), new VirtualClock()];
    const first = await openNetwork(home, home.nodeKey(), { clock, networkName: "lab" });
    clock.advance(40 * DAY_MS);
    const later = await openNetwork(home, home.nodeKey(), { clock, networkName: "other name" });
    expect(later.membership).toMatchObject({ network: first.membership.network, networkName: "lab" });
    const [network, member] = [parseDid(later.membership.network), home.nodeKey().did];
    await expect(verifyMembership(later.delegation, { network, member, nowMs: clock.nowMs() })).resolves.toBeDefined();
  });

  test("who is a member only cannot renew itself: after 30 days it is told to ask", async () => {
    const [creator, guest, clock] = [newHome(), newHome(), new VirtualClock()];
    await openNetwork(creator, creator.nodeKey(), { clock, networkName: "lab" });
    const root = { keyPair: creator.createRootKey() };
    const options = { networkName: "lab", addresses: [], mayInvite: false, nowMs: clock.nowMs() };
    guest.saveMembership(await issueMembershipFile(root, { ...options, member: guest.nodeKey().did }));
    const open = () => openNetwork(guest, guest.nodeKey(), { clock, networkName: "mine" });
    await expect(open()).resolves.toMatchObject({ membership: { network: creator.rootKey()?.did } });
    clock.advance(31 * DAY_MS);
    await expect(open()).rejects.toMatchObject({ code: "MEMBERSHIP_INVALID" });
  });

  test("a node's name is made from its key", () => {
    expect(nodeNameFor("did:key:a")).toBe(nodeNameFor("did:key:a"));
    expect(nodeNameFor("did:key:a")).toMatch(/^[a-z]+-[a-z]+$/);
    const names = new Set(Array.from({ length: 200 }, (_, index) => nodeNameFor(`did:key:${index}`)));
    expect(names.size).toBeGreaterThan(150);
  });
});
