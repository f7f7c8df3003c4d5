import { expect, test } from "vitest";
import * as clients from "../maelstrom/clients.ts";
import { Cluster, type ClusterOptions } from "../maelstrom/cluster.ts";

type Run = (cluster: Cluster, load: clients.Load) => Promise<clients.Outcome>;

const CALM = { durationMs: 2000, clientCount: 3, partitions: false };
const STORM = { durationMs: 6000, clientCount: 5, partitions: true };
const LOSSY = { latencyMsMax: 20, lossRatio: 0.05 };
const BROADCAST = { ask: "broadcast", field: "message", list: "messages" };
const SET = { ask: "add", field: "element", list: "value" };

const CASES: readonly (Pick<ClusterOptions, "workload"> & { readonly load: clients.Load; readonly run: Run })[] = [
  { workload: "echo", load: CALM, run: clients.runEcho },
  { workload: "broadcast", load: STORM, run: async (cluster, load) => clients.runSet(cluster, load, BROADCAST) },
  { workload: "g-set", load: STORM, run: async (cluster, load) => clients.runSet(cluster, load, SET) },
  { workload: "g-counter", load: STORM, run: async (cluster, load) => clients.runCounter(cluster, load, false) },
  { workload: "pn-counter", load: STORM, run: async (cluster, load) => clients.runCounter(cluster, load, true) },
  { workload: "lin-kv", load: STORM, run: clients.runRegisters },
  { workload: "txn-list-append", load: STORM, run: clients.runTransactions },
];

test.each(CASES)(
  "nodes in processes of their own pass Maelstrom's workload $workload",
  async ({ workload, load, run }) => {
    const cluster = new Cluster({ workload, nodeCount: 3, seed: 1, ...LOSSY });
    try {
      await cluster.start();
      const { problems, answeredCount } = await run(cluster, load);
      expect(problems).toEqual([]);
      expect(answeredCount).toBeGreaterThan(20);
    } finally {
      await cluster.stop();
    }
  },
  120_000,
);
