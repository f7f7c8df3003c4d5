import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { generateKeyPair } from "../../packages/easynet/src/identity/index.ts";
import { verifies } from "../requirements.ts";

interface Line {
  readonly event: string;
  readonly [field: string]: unknown;
}

interface Worker {
  readonly process: ChildProcessWithoutNullStreams;
  readonly lines: Line[];
  /** The first line of that event, also one that came before. */
  next(event: string): Promise<Line>;
}

const WORKER = new URL("mdns-worker.ts", import.meta.url).pathname;
const workers: Worker[] = [];
const namespaces: string[] = [];

afterEach(async () => {
  for (const worker of workers) worker.process.stdin.end();
  await Promise.all(
    workers.splice(0).map(async ({ process: child }) => {
      if (child.exitCode !== null) return;
      await new Promise((resolve) => {
        child.once("exit", resolve);
      });
    }),
  );
  for (const namespace of namespaces.splice(0)) ip("netns", "del", namespace);
});

function ip(...words: readonly string[]): boolean {
  return spawnSync("ip", words, { encoding: "utf8" }).status === 0;
}

function linkState(namespace: string): string {
  return spawnSync("ip", ["-n", namespace, "link", "show", "eth0"], { encoding: "utf8" }).stdout;
}

function startWorker(options: { network: string; name: string; interfaces?: string[]; namespace?: string }): Worker {
  const { network, name, interfaces = [], namespace } = options;
  const own = [WORKER, "--network", network, "--name", name, ...interfaces.flatMap((one) => ["--interface", one])];
  const child =
    namespace === undefined
      ? spawn(process.execPath, own)
      : spawn("ip", ["netns", "exec", namespace, process.execPath, ...own]);
  const lines: Line[] = [];
  const waiting: { readonly event: string; readonly resolve: (line: Line) => void }[] = [];
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line: Line = JSON.parse(text);
    lines.push(line);
    for (const one of waiting) if (one.event === line.event) one.resolve(line);
  });
  child.stderr.pipe(process.stderr);
  const next = (event: string): Promise<Line> => {
    const known = lines.find((line) => line.event === event);
    return known
      ? Promise.resolve(known)
      : new Promise((resolve) => {
          waiting.push({ event, resolve });
        });
  };
  const worker = { process: child, lines, next };
  workers.push(worker);
  return worker;
}

/** Two namespaces that share one cable and nothing else: no default route, no multicast route. */
async function joinNamespaces(): Promise<readonly [string, string] | undefined> {
  const [left, right] = [`en${process.pid}l`, `en${process.pid}r`];
  const made = ip("netns", "add", left) && ip("netns", "add", right);
  namespaces.push(left, right);
  const joined =
    made &&
    ip("link", "add", "eth0", "netns", left, "type", "veth", "peer", "name", "eth0", "netns", right) &&
    ip("-n", left, "addr", "add", "10.87.0.1/24", "dev", "eth0") &&
    ip("-n", right, "addr", "add", "10.87.0.2/24", "dev", "eth0") &&
    ip("-n", left, "link", "set", "eth0", "up") &&
    ip("-n", right, "link", "set", "eth0", "up");
  if (!joined) return undefined;
  // The kernel reports a new cable as usable some 100 ms after it was joined.
  await expect
    .poll(() => [left, right].every((one) => linkState(one).includes("state UP")), { timeout: 5000 })
    .toBe(true);
  return [left, right];
}

describe("mDNS discovery", () => {
  verifies("mesh:discovery:mdns");

  test("several processes on one machine find each other over loopback and link", async () => {
    const network = generateKeyPair().did;
    const all = ["amber", "cobalt", "ivory"].map((name) => startWorker({ network, name, interfaces: ["lo"] }));
    const dids = await Promise.all(all.map(async (worker) => (await worker.next("ready"))["did"]));
    for (const [index, worker] of all.entries()) {
      const others = dids.filter((_, other) => other !== index);
      const heard = () => new Set(worker.lines.filter((line) => line.event === "hint").map((line) => line["did"]));
      await expect.poll(heard, { timeout: 5000 }).toEqual(new Set(others));
      expect((await worker.next("linked"))["did"]).toBeOneOf(others);
    }
  });

  test("a node of another network gets no hint and is only counted", async () => {
    const [ours, theirs] = ["ours", "theirs"].map((name) =>
      startWorker({ network: generateKeyPair().did, name, interfaces: ["lo"] }),
    );
    await Promise.all([ours?.next("ready"), theirs?.next("ready")]);
    const foreignSeen = async (): Promise<number> => {
      ours?.process.stdin.write("status\n");
      await ours?.next("status");
      const last = ours?.lines.findLast((line) => line.event === "status");
      return Number(last?.["foreignCount"]);
    };
    await expect.poll(foreignSeen, { timeout: 5000, interval: 100 }).toBeGreaterThan(0);
    expect(ours?.lines.filter((line) => line.event === "hint")).toEqual([]);
  });

  test("packets that are not DNS are counted and harm nothing", async () => {
    const network = generateKeyPair().did;
    const first = startWorker({ network, name: "first", interfaces: ["lo"] });
    await first.next("ready");
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    await new Promise<void>((resolve) => {
      socket.bind(0, "127.0.0.1", resolve);
    });
    socket.setMulticastInterface("127.0.0.1");
    // A header that promises 65535 answers, a name that points at itself, and noise.
    const hostile = [
      Buffer.from("000084000000ffff00000000", "hex"),
      Buffer.concat([Buffer.from("000084000000000100000000", "hex"), Buffer.from("c00c000c0001", "hex")]),
      Buffer.from(Array.from({ length: 300 }, (_, index) => (index * 97) % 256)),
    ];
    const sendAll = (): Promise<unknown> =>
      Promise.all(hostile.map((packet) => new Promise((resolve) => socket.send(packet, 5353, "224.0.0.251", resolve))));
    // Sent again with each look, because what comes before the other end has bound its socket is lost.
    const malformed = async (): Promise<number> => {
      await sendAll();
      first.process.stdin.write("status\n");
      await first.next("status");
      return Number(first.lines.findLast((line) => line.event === "status")?.["malformedCount"]);
    };
    await expect.poll(malformed, { timeout: 5000, interval: 100 }).toBeGreaterThan(0);
    socket.close();
    const second = startWorker({ network, name: "second", interfaces: ["lo"] });
    expect((await second.next("linked"))["did"]).toBe((await first.next("ready"))["did"]);
  });

  test("two machines on one cable without any route find each other and link within 2 s", async (context) => {
    const pair = await joinNamespaces();
    if (!pair) {
      console.warn("skipped: this machine does not let the test create network namespaces (needs root and iproute2)");
      context.skip();
      return;
    }
    const network = generateKeyPair().did;
    const [left, right] = pair.map((namespace, index) => startWorker({ network, name: `node${index}`, namespace }));
    const [leftReady, rightReady] = [await left?.next("ready"), await right?.next("ready")];
    const [leftLink, rightLink] = [await left?.next("linked"), await right?.next("linked")];
    expect([leftLink?.["did"], rightLink?.["did"]]).toEqual([rightReady?.["did"], leftReady?.["did"]]);
    expect(rightReady?.["advertised"]).toEqual([expect.stringMatching(/^\/ip4\/10\.87\.0\.2\/tcp\//)]);
    // Counted from the start of the later one, because nobody answers before.
    expect(Math.min(Number(leftLink?.["afterMs"]), Number(rightLink?.["afterMs"]))).toBeLessThan(2000);
  });
});
