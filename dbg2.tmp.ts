import { LargeWorld } from "./test/simulation/large-world.ts";
import { didOf } from "./test/simulation/world-checks.ts";
import { FakeNetwork } from "./packages/easynet/src/testing/index.ts";
let net: any;
const oj = FakeNetwork.prototype.join;
FakeNetwork.prototype.join = function (...a: any) {
  net = this;
  return oj.apply(this, a as any);
} as any;
const n = 60;
const w = new LargeWorld({ seed: 1, nodeCount: n, fullMeshCountMax: 20 });
await w.grow();
w.passUntil(() => w.agreed, 120000);
w.rest();
w.pass(5000);
let kept = 0,
  keptLinked = 0,
  out = 0,
  inn = 0,
  outNotKept = 0;
for (let i = 0; i < n; i++) {
  const m = net.meshes.get(didOf(i));
  for (let j = 0; j < n; j++)
    if (i !== j) {
      const d = didOf(j);
      const k = !m.isOnDemand(d);
      if (k) {
        kept++;
        if (m.peer(d)) keptLinked++;
      }
      const p = m.peer(d);
      if (p) {
        if (p.direction === "outbound") {
          out++;
          if (!k) outNotKept++;
        } else inn++;
      }
    }
}
console.log({ kept: kept / n, keptLinked: keptLinked / n, out: out / n, inn: inn / n, outNotKept });
