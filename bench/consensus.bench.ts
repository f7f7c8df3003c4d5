/** Durable writes of three members in three processes, beside three etcd processes in the same run. */
import { spawnSync } from "node:child_process";
import { ConsensusCluster } from "../test/support/consensus-cluster.ts";
import { etcdVersion, hasEtcd, startEtcd } from "../test/support/etcd-server.ts";
import { loadEtcd } from "./consensus/etcd-load.ts";
import { type BenchResult, interleave, median, round, runBench, say } from "./harness.ts";

const SIZE_BYTES = 256;
const DURATION_MS = Number(process.env["EASYNET_BENCH_MS"] ?? 2000);
const ROUNDS = Number(process.env["EASYNET_BENCH_ROUNDS"] ?? 5);
const OUTSTANDING = [1, 64, 256] as const;

async function bench(): Promise<BenchResult> {
  if (!hasEtcd()) throw new Error("etcd is not installed: apt-get install etcd-server");
  await using cluster = await ConsensusCluster.start(3);
  await using etcd = await startEtcd(3);
  const leader = await cluster.leader();
  const [ours, follower] = [cluster.members[leader], cluster.members[(leader + 1) % 3]];
  const endpoint = etcd.endpoints[0];
  if (!ours || !follower || endpoint === undefined) throw new Error("nobody leads");
  const metrics: Record<string, number> = {};
  const theirs: Record<string, number | string> = { version: etcdVersion(), through: "its JSON gateway, node:http" };
  const samples: Record<string, unknown> = { rounds: ROUNDS, durationMs: DURATION_MS };
  for (const outstanding of OUTSTANDING) {
    const load = { size: SIZE_BYTES, outstanding, durationMs: DURATION_MS };
    const measured = await interleave(ROUNDS + 1, ["leader", "follower", "etcd"] as const, async (system) => {
      if (system === "etcd") return loadEtcd({ endpoint, ...load });
      return (system === "leader" ? ours : follower).ask({ do: "load", ...load });
    });
    const figures = (system: "leader" | "follower" | "etcd") => {
      // The first round warms up.
      const rounds = (measured.get(system) ?? []).slice(1);
      return {
        perSecond: median(rounds.map(({ perSecond }) => perSecond)),
        p50Us: median(rounds.map(({ p50Us }) => p50Us)),
        all: rounds.map(({ perSecond }) => Math.round(perSecond)),
      };
    };
    const [own, through, peer] = [figures("leader"), figures("follower"), figures("etcd")];
    metrics[`w${outstanding}_writes_per_second`] = Math.round(own.perSecond);
    metrics[`w${outstanding}_p50_ms`] = round(own.p50Us / 1000, 3);
    metrics[`w${outstanding}_through_follower_writes_per_second`] = Math.round(through.perSecond);
    metrics[`w${outstanding}_through_follower_p50_ms`] = round(through.p50Us / 1000, 3);
    metrics[`w${outstanding}_ratio_to_etcd`] = round(own.perSecond / peer.perSecond);
    metrics[`w${outstanding}_through_follower_ratio_to_etcd`] = round(through.perSecond / peer.perSecond);
    metrics[`w${outstanding}_p50_ratio_to_etcd`] = round(own.p50Us / peer.p50Us);
    theirs[`w${outstanding}_writes_per_second`] = Math.round(peer.perSecond);
    theirs[`w${outstanding}_p50_ms`] = round(peer.p50Us / 1000, 3);
    samples[`w${outstanding}`] = { leader: own.all, follower: through.all, etcd: peer.all };
    say(`${outstanding} outstanding: ${JSON.stringify({ own, through, peer })}`);
  }
  return { metrics, peers: { "etcd x3": theirs, "etcd's own tool": ownTool(etcd.endpoints) }, samples };
}

/** What `etcdctl check perf` says, where it is installed. */
function ownTool(endpoints: readonly string[]): Record<string, string> | string {
  if (spawnSync("etcdctl", ["version"], { env: { ...process.env, ETCDCTL_API: "3" } }).status !== 0) {
    return "etcdctl is not installed";
  }
  const args = ["--endpoints", endpoints.join(","), "check", "perf", "--load=l"];
  const ran = spawnSync("etcdctl", args, { env: { ...process.env, ETCDCTL_API: "3" } });
  const lines = ran.stdout
    .toString()
    .split(/[\r\n]+/)
    .filter((line) => line.includes("Throughput") || line.includes("request"));
  return { says: lines.join("; ") };
}

await runBench("consensus", bench, "05-state");
