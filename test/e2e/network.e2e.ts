import { describe, expect, test } from "vitest";
import { Client } from "../../packages/easynet/src/sdk/index.ts";
import { verifies } from "../requirements.ts";
import { until } from "../support/network.ts";
import { BuiltNetwork, type BuiltNode } from "./built-network.ts";

verifies("mesh:p2p:no-centre");

/** Which nodes answer `who` when each is asked by name through `node`. */
async function heard(node: BuiltNode, names: readonly string[]): Promise<readonly string[]> {
  const answer = await node.api.get("/api/agents?capability=who");
  const text = JSON.stringify(answer);
  return names.filter((name) => text.includes(`"${name}"`));
}

async function untilAllKnown(alive: readonly BuiltNode[]): Promise<void> {
  const names = alive.map(({ name }) => name);
  const endMs = performance.now() + 10_000;
  for (;;) {
    const lists = await Promise.all(alive.map((node) => heard(node, names)));
    if (lists.every((list) => list.length === names.length)) return;
    if (performance.now() > endMs) throw new Error(`not all known within 10 s: ${JSON.stringify(lists)}`);
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

describe("processes that die", () => {
  test("kill -9 of a provider in mid-work: repeatable work ends elsewhere, other work is reported truthfully", async () => {
    await using network = new BuiltNetwork();
    const amber = await network.start("amber");
    const cobalt = await network.start("cobalt");
    const jade = await network.start("jade", cobalt);
    await untilAllKnown(network.nodes);
    await using client = new Client({ home: cobalt.home });
    const assigned: string[] = [];
    // Enough of them that every node gets some.
    const kinds = Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? "work" : "pay"));
    const calls = kinds.map(async (capability) => {
      let last: unknown;
      let first = "";
      for await (const event of client.call(capability, { args: [1_500], timeoutMs: 8_000 }).events()) {
        if (event.type === "assigned") {
          first ||= event.nodeName;
          assigned.push(event.nodeName);
        }
        last = event;
      }
      return { capability, first, last };
    });
    await until("every call has a provider", () => assigned.length >= calls.length);
    expect(assigned).toContain("amber");
    amber.process.kill("SIGKILL");
    for (const { capability, first, last } of await Promise.all(calls)) {
      const expected =
        capability === "pay" && first === "amber"
          ? { type: "error", error: { code: "TASK_UNCERTAIN" } }
          : { type: "final" };
      expect(last).toMatchObject(expected);
    }
    expect((await heard(jade, ["amber", "cobalt", "jade"])).length).toBeGreaterThan(0);
  });

  test("a provider that hangs (SIGSTOP) is noticed and its work is done elsewhere", async () => {
    await using network = new BuiltNetwork();
    const amber = await network.start("amber");
    const cobalt = await network.start("cobalt");
    await untilAllKnown(network.nodes);
    await using client = new Client({ home: cobalt.home });
    amber.process.kill("SIGSTOP");
    const calls = Array.from({ length: 8 }, () => client.call("work", { args: [300] }).result());
    const results = await Promise.all(calls);
    expect(new Set(results.map(({ value }) => value))).toEqual(new Set(["cobalt"]));
    expect(results.filter(({ attempts }) => attempts === 2).length).toBeGreaterThan(0);
  });

  test("hub-less: the two nodes that were started first are killed, a new one joins through any other", async () => {
    await using network = new BuiltNetwork();
    const [first, second] = [await network.start("first"), await network.start("second")];
    const [third, fourth] = [await network.start("third", second), await network.start("fourth", second)];
    await untilAllKnown(network.nodes);
    const fifth = await network.start("fifth", fourth);
    first.process.kill("SIGKILL");
    second.process.kill("SIGKILL");
    await untilAllKnown([third, fourth, fifth]);
    await using client = new Client({ home: fifth.home });
    const { value } = await client.call("who", { target: "third" }).result();
    expect(value).toBe("third");
  });
});
