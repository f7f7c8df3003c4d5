/** Fills the disk under `FOLDER` with artifacts until one is refused, makes room, and prints what it saw as JSON. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isEasynetError, silentLogger, systemClock } from "../../packages/easynet/src/kernel/index.ts";
import { ArtifactStore } from "../../packages/easynet/src/messaging/artifacts/artifact-store.ts";
import { defaultArtifactLimits } from "../../packages/easynet/src/messaging/artifacts/limits.ts";
import { openStore } from "../../packages/easynet/src/storage/index.ts";

const disk = process.argv[2] ?? "";
const ballast = join(disk, "ballast");
const folder = join(disk, "artifacts");
const BYTES = 600_000;
const content = (seed: number): Buffer => Buffer.alloc(BYTES, seed);
writeFileSync(ballast, new Uint8Array(1024 * 1024));

const store = await openStore({ path: join(disk, "node.db") });
const ports = { folder, clock: systemClock, logger: silentLogger, limits: defaultArtifactLimits };
const artifacts = await ArtifactStore.open({ ...ports, store });
const kept: { readonly cid: string; readonly seed: number }[] = [];
let code = "none";
for (let seed = 1; code === "none" && seed < 50; seed += 1) {
  try {
    kept.push({ cid: (await artifacts.put([content(seed)])).cid, seed });
  } catch (error) {
    code = isEasynetError(error) ? error.code : String(error);
  }
}
const damaged = async (all: ArtifactStore): Promise<number> => {
  let count = 0;
  for (const { cid, seed } of kept) {
    const parts: Uint8Array[] = [];
    for await (const part of all.read(cid)) parts.push(part);
    if (!Buffer.concat(parts).equals(content(seed))) count += 1;
  }
  return count;
};
const damagedWhileFull = await damaged(artifacts);
const listedWhileFull = artifacts.list().length - kept.length;
const usedWhileFull = artifacts.usedBytes;
rmSync(ballast);
kept.push({ cid: (await artifacts.put([content(99)])).cid, seed: 99 });
await store.close();
const again = await openStore({ path: join(disk, "node.db") });
const reopened = await ArtifactStore.open({ ...ports, store: again });
const damagedAfterReopen = await damaged(reopened);
const files = readdirSync(folder).length;
// Two full chunks and the rest of each, and the node above them; equal chunks of one artifact are one file.
const filesOfKept = kept.length * 3;
await again.close();
console.log(
  JSON.stringify({
    code,
    someKept: kept.length > 2,
    damagedWhileFull,
    listedWhileFull,
    nothingOfRefusedCounts: usedWhileFull < kept.length * (BYTES + 1000),
    damagedAfterReopen,
    filesLeft: files - filesOfKept,
  }),
);
