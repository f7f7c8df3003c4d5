import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { generateKeyPair } from "../identity/index.ts";
import { type MeshNode, MeshWorld } from "../testing/mesh-world.ts";
import { encodeValue } from "../wire/index.ts";
import { TwinWatch } from "./twin-core.ts";
import { decodeTwinNotice, encodeTwinNotice } from "./twin-messages.ts";
import type { TwinReport } from "./types.ts";

describe("two processes with one key", () => {
  let world = new MeshWorld();
  afterEach(async () => {
    await world.stop();
  });

  function watch(node: MeshNode): TwinReport[] {
    const reports: TwinReport[] = [];
    node.mesh.on("identity-duplicated", (report) => reports.push(report));
    return reports;
  }

  /** A member, an original and its copy, each of the two dialling the member again and again. */
  async function copied(): Promise<{ member: MeshNode; original: MeshNode; copy: MeshNode }> {
    world = new MeshWorld();
    const member = await world.node("member");
    const original = await world.node("original");
    original.mesh.learn(member.did, [world.addressOf(member)]);
    await world.clock.advanceAsync(1000);
    const copy = await world.node("copy", { keyPair: original.keyPair });
    copy.mesh.learn(member.did, [world.addressOf(member)]);
    return { member, original, copy };
  }

  test("are told apart from a restart; the one that started later is refused, and both are told", async () => {
    const { member, original, copy } = await copied();
    const [toOriginal, toCopy] = [watch(original), watch(copy)];
    await world.clock.advanceAsync(120_000);
    expect(member.mesh.peer(original.did)?.name).toBe("original");
    expect(toOriginal.at(-1)).toMatchObject({ steppedBack: false });
    expect(toCopy.at(-1)).toMatchObject({ steppedBack: true });
    expect(copy.mesh.peers()).toEqual([]);
  });

  test("do not flap: the member changes its link twice at most", async () => {
    const { member } = await copied();
    await world.clock.advanceAsync(300_000);
    expect(member.events.filter((event) => event.startsWith("joined")).length).toBeLessThanOrEqual(3);
    expect(member.counts.get("easynet_links_refused_total{twin}")).toBeGreaterThan(5);
  });

  test("become one again: when the original ends, the copy is let in", async () => {
    const { member, original, copy } = await copied();
    await world.clock.advanceAsync(60_000);
    await world.settle(original.mesh.stop());
    await world.clock.advanceAsync(60_000);
    expect(member.mesh.peer(copy.did)?.name).toBe("copy");
  });

  test("are not seen where a node restarts again and again", async () => {
    world = new MeshWorld();
    const member = await world.node("member");
    const keyPair = generateKeyPair();
    for (let life = 0; life < 5; life++) {
      const node = await world.node(`life ${life}`, { keyPair, port: 7 });
      node.mesh.learn(member.did, [world.addressOf(member)]);
      await world.clock.advanceAsync(5000);
      expect(member.mesh.peer(keyPair.did)?.name).toBe(`life ${life}`);
      world.network.crash(keyPair.did, { silent: true });
      await world.settle(node.mesh.stop());
    }
    expect(member.counts.get("easynet_links_refused_total{twin}")).toBeUndefined();
  });
});

describe("the watch", () => {
  const { did } = generateKeyPair();
  const life = (epoch: number, startedAtMs: number) => ({ epoch, startedAtMs, address: `at ${epoch}` });

  test("keeps the same process whichever of the two asks", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.boolean(), (one, other, firstAsks) => {
        const [a, b] = [life(1, one), life(2, other)];
        const twins = new TwinWatch();
        twins.admitted(did, a);
        twins.admitted(did, b);
        const [asking, linked] = firstAsks ? [a, b] : [b, a];
        const verdict = twins.judge(did, asking, linked);
        const kept = verdict.kind === "twins" && verdict.keep === "asking" ? asking : linked;
        expect(verdict.kind).toBe("twins");
        expect(kept).toBe(one <= other ? a : b);
      }),
    );
  });

  test("sees none in a new process, in the same one, and where nobody is linked", () => {
    const twins = new TwinWatch();
    twins.admitted(did, life(1, 1));
    expect(twins.judge(did, life(2, 2), life(1, 1)).kind).toBe("single");
    expect(twins.judge(did, life(1, 1), life(1, 1)).kind).toBe("single");
    expect(twins.judge(did, life(1, 1), undefined).kind).toBe("single");
  });

  test("a notice reads back; anything else is refused", () => {
    expect(decodeTwinNotice(encodeTwinNotice(life(3, 4)))).toEqual({
      address: "at 3",
      otherStartedAtMs: 4,
      steppedBack: false,
    });
    for (const body of [1, ["a"], [1, 2], null]) {
      expect(() => decodeTwinNotice(encodeValue(body))).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
    }
  });
});
