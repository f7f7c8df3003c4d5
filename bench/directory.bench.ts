/**
 * The directory among 20 nodes with 1,000 agents in one process, over real sockets (libp2p, TLS 1.3, signed
 * membership), and a broadcast among 50. The node that dies runs in a process of its own.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { generateKeyPair, type KeyPair } from "../packages/easynet/src/identity/index.ts";
import { type FindQuery, parseQuery } from "../packages/easynet/src/state/index.ts";
import { timeDeath, until } from "./directory/deaths.ts";
import { type Member, startMember, traffic } from "./directory/member.ts";
import { type Agents, cardOf, makeAgents, recordOf } from "./directory/records.ts";
import { type BenchResult, median, percentile, round, runBench, say } from "./harness.ts";

const { values: settings } = parseArgs({
  options: {
    json: { type: "boolean" },
    quiet: { type: "string", default: "30" },
    deaths: { type: "string", default: "5" },
  },
});
const NODE_COUNT = 20;
const AGENTS_PER_NODE = 50;
const FIND_COUNT = 20_000;
const CHANGE_COUNT = 60;
const BROADCAST_NODE_COUNT = 50;
const BROADCAST_LINKS = 4;
const BROADCAST_COUNT = 200;
const BROADCAST_WARMUP_COUNT = 40;
const BROADCAST_BYTES = 256;
const QUIET_S = Number(settings.quiet);
const DEATH_COUNT = Number(settings.deaths);

interface Party {
  readonly root: KeyPair;
  readonly members: readonly Member[];
}

async function startParty(count: number): Promise<Party> {
  const root = generateKeyPair();
  const members: Member[] = [];
  for (let index = 0; index < count; index++) members.push(await startMember(root, generateKeyPair()));
  return { root, members };
}

async function run(): Promise<BenchResult> {
  const before = process.memoryUsage().rss;
  const party = await startParty(NODE_COUNT);
  const { members } = party;
  const agents = members.map(({ mesh }) => makeAgents(mesh.self, AGENTS_PER_NODE));
  const spreadMs = await timeSpread(members, agents);
  say(`everybody knows all after ${spreadMs.toFixed(0)} ms`);
  const memoryMb = (process.memoryUsage().rss - before) / NODE_COUNT / 2 ** 20;
  const finds = timeFinds(members);
  const changes = await timeChanges(members, agents);
  say(`a change is seen everywhere: p99 ${percentile(changes, 0.99).toFixed(1)} ms`);
  const idle = await measureIdle(members);
  const killed = await timeDeaths(party, "SIGKILL");
  const stopped = await timeDeaths(party, "SIGSTOP");
  await Promise.all(members.map((member) => member.stop()));
  const broadcast = await measureBroadcast();
  return {
    metrics: {
      know_all_ms: round(spreadMs, 0),
      find_p50_ms: round(percentile(finds, 0.5), 4),
      find_p99_ms: round(percentile(finds, 0.99), 4),
      change_seen_p50_ms: round(percentile(changes, 0.5), 1),
      change_seen_p99_ms: round(percentile(changes, 0.99), 1),
      killed_dead_everywhere_median_ms: round(median(killed), 0),
      killed_dead_everywhere_max_ms: round(Math.max(...killed), 0),
      stopped_dead_everywhere_median_ms: round(median(stopped), 0),
      stopped_dead_everywhere_max_ms: round(Math.max(...stopped), 0),
      memory_mb_per_node: round(memoryMb, 1),
      ...idle,
      ...broadcast,
    },
    peers: {
      serf: "not run: it is not installed here",
      gossipsub: "not run: it is not a dependency of this package",
    },
    samples: {
      nodes: NODE_COUNT,
      agents: NODE_COUNT * AGENTS_PER_NODE,
      finds: FIND_COUNT,
      changes: CHANGE_COUNT,
      quietSeconds: QUIET_S,
      killed,
      stopped,
      broadcast: {
        nodes: BROADCAST_NODE_COUNT,
        linksOpenedEach: BROADCAST_LINKS,
        count: BROADCAST_COUNT,
        bytes: BROADCAST_BYTES,
      },
    },
    notes: [
      "All nodes but the one that dies share one process and its event loop: times hold their mutual delays.",
      "Each time of a death is that of the last of the 20 nodes to list it as dead.",
    ],
  };
}

/** From the first dial, with all records published: until each node finds each agent, ms. */
async function timeSpread(members: readonly Member[], agents: readonly Agents[]): Promise<number> {
  for (const [index, { directory, mesh }] of members.entries()) {
    await directory.publish(recordOf(mesh.self, agents[index] ?? { keys: [], cards: [] }, mesh.addresses()));
  }
  const [first, ...others] = members;
  const startMs = performance.now();
  // As a node does that was told of one member: it dials until it is linked.
  for (const { mesh } of others) if (first) mesh.learn(first.mesh.self, first.mesh.addresses());
  await until(() => members.every(({ directory }) => directory.find({}).length === NODE_COUNT * AGENTS_PER_NODE));
  const tookMs = performance.now() - startMs;
  await until(() => members.every(({ mesh }) => mesh.peers().length === NODE_COUNT - 1));
  return tookMs;
}

function timeFinds(members: readonly Member[]): number[] {
  const queries: FindQuery[] = [
    { capability: "capability-7" },
    parseQuery("tag:fast lang:zh price<0.5"),
    parseQuery("type:model tag:cheap cpu>=4"),
    parseQuery("lang:fr price<=0.2 memory>=1000"),
    parseQuery("agent:agent-3"),
  ];
  const times: number[] = [];
  for (let count = 0; count < FIND_COUNT; count++) {
    const directory = members[count % members.length]?.directory;
    const startMs = performance.now();
    directory?.find(queries[count % queries.length] ?? {});
    times.push(performance.now() - startMs);
  }
  return times;
}

/** One card of one node changes; for each other node, the time until it lists the new one, ms. */
async function timeChanges(members: readonly Member[], agents: readonly Agents[]): Promise<number[]> {
  const times: number[] = [];
  for (let count = 0; count < CHANGE_COUNT; count++) {
    const [owner, own] = [members[count % members.length], agents[count % members.length]];
    const key = own?.keys[0];
    if (!owner || !own || !key) break;
    const { self } = owner.mesh;
    own.cards[0] = cardOf(self, key, { index: 0, revision: count + 2 });
    const version = own.cards[0].card.version;
    const record = recordOf(self, own, owner.mesh.addresses());
    const startMs = performance.now();
    const seen = members
      .filter((member) => member !== owner)
      .map(
        ({ directory }) =>
          new Promise<number>((resolve) => {
            const listener = directory.on("node-changed", (node) => {
              if (node.did !== self || node.record.cards[0]?.card.version !== version) return;
              listener[Symbol.dispose]();
              resolve(performance.now() - startMs);
            });
          }),
      );
    await owner.directory.publish(record);
    times.push(...(await Promise.all(seen)));
  }
  return times;
}

async function timeDeaths({ root, members }: Party, signal: "SIGKILL" | "SIGSTOP"): Promise<number[]> {
  const times: number[] = [];
  for (let count = 0; count < DEATH_COUNT; count++) {
    times.push(Math.max(...(await timeDeath(members, { root, signal }))));
    say(`${signal}: dead everywhere after ${times.at(-1)?.toFixed(0)} ms`);
  }
  return times;
}

async function measureIdle(members: readonly Member[]): Promise<Record<string, number>> {
  let falseDeaths = 0;
  const listeners = members.map(({ directory }) => directory.on("node-gone", () => void falseDeaths++));
  await sleep(1000);
  const [cpu, bytes, startMs] = [process.cpuUsage(), traffic.sentBytes, performance.now()];
  await sleep(QUIET_S * 1000);
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  for (const listener of listeners) listener[Symbol.dispose]();
  return {
    idle_cpu_percent_per_node: round((user + system) / 1e4 / seconds / members.length, 3),
    idle_bytes_per_second_per_node: round((traffic.sentBytes - bytes) / seconds / members.length, 0),
    quiet_seconds: QUIET_S,
    false_deaths_in_quiet: falseDeaths,
  };
}

async function measureBroadcast(): Promise<Record<string, number>> {
  const { members } = await startParty(BROADCAST_NODE_COUNT);
  for (const [index, { mesh }] of members.entries()) {
    for (let step = 0; step < BROADCAST_LINKS; step++) {
      const other = members[(index + 1 + step * step * 3) % members.length]?.mesh;
      if (other) mesh.learn(other.self, other.addresses());
    }
  }
  await until(() => members.every(({ mesh }) => mesh.peers().length >= BROADCAST_LINKS));
  let arrived = 0;
  let startMs = 0;
  const times: number[] = [];
  for (const { gossip } of members) {
    gossip.handle("bench", () => {
      arrived++;
      times.push(performance.now() - startMs);
    });
  }
  const send = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      arrived = 0;
      startMs = performance.now();
      members[index % members.length]?.gossip.publish("bench", new Uint8Array(BROADCAST_BYTES));
      await until(() => arrived === members.length - 1);
    }
  };
  await send(BROADCAST_WARMUP_COUNT);
  times.length = 0;
  const cpu = process.cpuUsage();
  await send(BROADCAST_COUNT);
  const { user, system } = process.cpuUsage(cpu);
  await Promise.all(members.map((member) => member.stop()));
  return {
    broadcast_50_p50_ms: round(percentile(times, 0.5), 2),
    broadcast_50_p99_ms: round(percentile(times, 0.99), 2),
    broadcast_cpu_us_per_delivery: round((user + system) / times.length, 1),
  };
}

await runBench("directory", run, "03-mesh");
process.exit(0);
