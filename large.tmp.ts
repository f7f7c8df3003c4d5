import { LargeWorld } from "./test/simulation/large-world.ts";
const n = Number(process.argv[2] ?? 60),
  full = Number(process.argv[3] ?? 20);
const t = performance.now();
const lap = (s: string, ...a: unknown[]) => console.log(((performance.now() - t) / 1000).toFixed(1) + "s", s, ...a);
const w = new LargeWorld({ seed: 1, nodeCount: n, fullMeshCountMax: full });
await w.grow();
lap("grown", w.bytes / n);
lap(
  "agreed after",
  w.passUntil(() => w.agreed, 120000),
  "links",
  Math.max(...w.linkCounts),
  w.linkCounts.reduce((a, b) => a + b, 0) / n,
  "bytes per node",
  Math.round(w.bytes / n),
);
w.rest();
w.bytes = 0;
w.pass(20000);
lap(
  "quiet B/node/s",
  Math.round(w.bytes / n / 20),
  "links",
  Math.max(...w.linkCounts),
  w.linkCounts.reduce((a, b) => a + b, 0) / n,
  w.connected,
);
lap("broadcast", w.broadcast(5000), w.broadcast(5000));
lap("killed", w.kill(0.3));
w.bytes = 0;
lap("connected now", w.connected);
lap(
  "connected after",
  w.passUntil(() => w.connected, 10000),
);
lap("broadcast", w.broadcast(5000));
lap(
  "agreed after",
  w.passUntil(() => w.agreed, 120000),
  Math.round(w.bytes / w.nodeCount),
);
let ok = 0;
for (let i = 0; i < 50; i++) if (await w.talk()) ok++;
lap("talk", ok, "links", Math.max(...w.linkCounts));
w.rest();
lap("links", Math.max(...w.linkCounts), w.connected, w.agreed);
console.log(process.memoryUsage().rss / 1e6);
w.end();
