import { LargeWorld } from "./test/simulation/large-world.ts";
import { FakeMesh } from "./packages/easynet/src/testing/index.ts";
import { FRAME_TYPES } from "./packages/easynet/src/wire/index.ts";
const names = new Map(Object.entries(FRAME_TYPES).map(([a, b]) => [b, a]));
const counts = new Map<string, [number, number]>();
const orig = FakeMesh.prototype.send;
FakeMesh.prototype.send = function (to, frame) {
  const b = frame.body;
  const kind = b[0]! >= 0x90 && b[0]! < 0xa0 ? b[1]! : -1;
  const k = names.get(frame.type) + ":" + (kind < 128 ? kind : "e");
  const c = counts.get(k) ?? [0, 0];
  c[0]++;
  c[1] += frame.body.length;
  counts.set(k, c);
  return orig.call(this, to, frame);
};
const n = Number(process.argv[2] ?? 300),
  full = Number(process.argv[3] ?? 200);
const w = new LargeWorld({ seed: 1, nodeCount: n, fullMeshCountMax: full });
const t = performance.now();
await w.grow();
console.log(
  "agreed",
  w.passUntil(() => w.agreed, 60000),
  (performance.now() - t) / 1000,
  w.bytes / n,
);
console.log(
  [...counts]
    .sort((a, b) => b[1][1] - a[1][1])
    .map(([k, [c, b]]) => `${k} ${c} ${(b / n / 1000).toFixed(0)} KB/node`)
    .join("\n"),
);
