import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RoutedEvent } from "../../packages/easynet/src/routing/index.ts";
import { Client } from "../../packages/easynet/src/sdk/index.ts";
import { until } from "../support/network.ts";
import { BuiltNetwork, type BuiltNode, easynet } from "./built-network.ts";

/** What each run of an effect left on the disk of its node. */
function tracesOf({ home }: BuiltNode): readonly string[] {
  const file = join(home, "trace");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
}

async function killed(node: BuiltNode): Promise<void> {
  const gone = new Promise((resolve) => {
    node.process.once("exit", resolve);
  });
  node.process.kill("SIGKILL");
  await gone;
}

interface Told {
  readonly events: RoutedEvent[];
  readonly items: readonly unknown[];
  readonly end: RoutedEvent | undefined;
}

/** A call whose events are collected while it goes on. */
function begin(client: Client, capability: string, options: Parameters<Client["call"]>[1]): Told {
  const events: RoutedEvent[] = [];
  void (async () => {
    for await (const event of client.call(capability, options).events()) events.push(event);
  })().catch(() => undefined);
  return {
    events,
    get items() {
      return events.flatMap((event) => (event.type === "item" ? [event.value] : []));
    },
    get end() {
      const last = events.at(-1);
      return last?.type === "final" || last?.type === "error" ? last : undefined;
    },
  };
}

/** A root that does nothing, a caller and a provider; both may be killed and started again. */
async function start(network: BuiltNetwork) {
  await network.start("root");
  const provider = await network.start("provider");
  const caller = await network.start("caller");
  const knows = async (): Promise<boolean> =>
    JSON.stringify(await caller.api.get("/api/agents?capability=charge")).includes('"name":"provider"');
  let known = false;
  while (!known) known = await knows();
  return { provider, caller };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe("stored tasks of real processes", () => {
  test("kill -9 of the provider: an effect is not repeated and its caller is told, repeatable work is done", async () => {
    await using network = new BuiltNetwork();
    const { provider, caller } = await start(network);
    await using client = new Client({ home: caller.home });
    const options = { target: "provider", timeoutMs: 40_000 };
    const charge = begin(client, "charge", { ...options, args: [100, 100] });
    const render = begin(client, "render", { ...options, args: [3_000] });
    // Not synced, and as safe from kill -9 as the others: one has ended by then, the other has not.
    const jotted = begin(client, "jot", { ...options, id: "jotted", args: [3, 1] });
    const jot = begin(client, "jot", { ...options, args: [100, 100] });
    await until("the first ended", () => jotted.end !== undefined);
    await until("they run", () => Math.min(charge.items.length, jot.items.length) >= 3);
    await until("both run", () => tracesOf(provider).includes("render"));
    await killed(provider);
    await network.start("provider");
    await until("all ended", () => [charge, jot, render].every(({ end }) => end !== undefined), 40_000);
    for (const effect of [charge, jot]) {
      expect(effect.end).toMatchObject({ type: "error", error: { code: "TASK_INTERRUPTED" } });
      expect(effect.items).toEqual(range(effect.items.length));
    }
    const { value } = await client.call("jot", { ...options, id: "jotted", args: [3, 1] }).result();
    expect(value).toEqual([1, 2, 3]);
    expect(render.end).toMatchObject({ type: "final", value: "provider" });
    expect(tracesOf(provider).toSorted()).toEqual(["charge", "jot", "jot", "render", "render"]);
  });

  test("a provider that hangs until its link is given up goes on where its caller was", async () => {
    await using network = new BuiltNetwork();
    const { provider, caller } = await start(network);
    await using client = new Client({ home: caller.home });
    const charge = begin(client, "charge", { target: "provider", timeoutMs: 60_000, args: [60, 50] });
    await until("it runs", () => charge.items.length >= 3);
    let left = false;
    const stream = caller.api.stream({ method: "GET", path: "/api/events", signal: AbortSignal.timeout(30_000) });
    const watching = (async () => {
      for await (const { type, data } of stream) {
        if (type === "peer-left" && JSON.stringify(data).includes('"provider"')) {
          left = true;
          break;
        }
      }
    })();
    provider.process.kill("SIGSTOP");
    await until("the link is given up", () => left, 25_000);
    await watching;
    provider.process.kill("SIGCONT");
    await until("it ended", () => charge.end !== undefined, 40_000);
    expect(charge.items).toEqual(range(60));
    expect(charge.end).toMatchObject({ type: "final" });
    expect(tracesOf(provider)).toEqual(["charge"]);
  });

  test("kill -9 of the caller's node: the work goes on, and its outcome is had by its id", async () => {
    await using network = new BuiltNetwork();
    const { provider, caller } = await start(network);
    const client = new Client({ home: caller.home });
    const options = { id: "order-4711", target: "provider", args: [20, 100] };
    const charge = begin(client, "charge", options);
    await until("it runs", () => charge.items.length >= 3);
    await killed(caller);
    await client.close();
    const again = await network.start("caller");
    const list = await easynet(["tasks", "--home", again.home]);
    expect(list.stdout).toMatch(/order-4711 +charge +working +to provider/);
    await using next = new Client({ home: again.home });
    const { value } = await next.call("charge", options).result();
    expect(value).toEqual(range(20));
    expect(tracesOf(provider)).toEqual(["charge"]);
    const printed = await easynet(["task", "order-4711", "--home", again.home]);
    expect(printed).toMatchObject({ code: 0, stdout: `${range(20).join("\n")}\n` });
    await expect(next.task("order-4711")).resolves.toMatchObject({ state: "completed", items: range(20) });
    const other = await easynet(["call", "charge", "1", "1", "--id", "order-4711", "--home", again.home, "--json"]);
    expect(JSON.parse(other.stdout)).toMatchObject({ code: "TASK_ID_REUSED" });
    expect((await easynet(["task", "order-1", "--home", again.home])).code).toBe(3);
  });
});
