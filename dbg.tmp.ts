import { LargeWorld } from "./test/simulation/large-world.ts";
import { FakeMesh } from "./packages/easynet/src/testing/index.ts";
import { decodeValue, FRAME_TYPES } from "./packages/easynet/src/wire/index.ts";
const names = new Map(Object.entries(FRAME_TYPES).map(([a, b]) => [b, a]));
const counts = new Map<string, [number, number]>();
let on = false;
const orig = FakeMesh.prototype.send;
FakeMesh.prototype.send = function (to, frame) {
  if (on) {
    const v = decodeValue(frame.body) as any;
    const k = names.get(frame.type) + ":" + (typeof v[0] === "number" ? v[0] : "e");
    const c = counts.get(k) ?? [0, 0];
    c[0]++;
    c[1] += frame.body.length;
    counts.set(k, c);
  }
  return orig.call(this, to, frame);
};
const w = new LargeWorld({ seed: 1, nodeCount: 60, fullMeshCountMax: 20 }) as any;
await w.grow();
w.passUntil(() => w.agreed, 120000);
w.rest();
for (const n of w["_x"] ?? []) void n;
on = true;
w.pass(20000);
console.log(
  [...counts]
    .sort((a, b) => b[1][1] - a[1][1])
    .map(([k, [c, b]]) => `${k} ${c} ${(b / 60 / 20).toFixed(1)}B/node/s`)
    .join("\n"),
);
