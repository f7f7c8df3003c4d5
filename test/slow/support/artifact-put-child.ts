/** Puts artifact after artifact into the home FOLDER and tells of each that is kept: `FOLDER SEED [unsynced]`. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { silentLogger, systemClock } from "../../../packages/easynet/src/kernel/index.ts";
import { ArtifactStore } from "../../../packages/easynet/src/messaging/artifacts/artifact-store.ts";
import { BlockFiles } from "../../../packages/easynet/src/messaging/artifacts/block-files.ts";
import { defaultArtifactLimits } from "../../../packages/easynet/src/messaging/artifacts/limits.ts";
import { openStore } from "../../../packages/easynet/src/storage/index.ts";

const [home = "", seed = "", mode = ""] = process.argv.slice(2);
// The planted fault: names of blocks that nobody made durable.
if (mode === "unsynced") BlockFiles.prototype.sync = () => Promise.resolve();
const store = await openStore({ path: join(home, "node.db") });
const ports = { clock: systemClock, logger: silentLogger, limits: defaultArtifactLimits };
const artifacts = await ArtifactStore.open({ ...ports, folder: join(home, "artifacts"), store });
for (let number = 0; ; number += 1) {
  const chunk = createHash("sha512").update(`${seed} ${number}`).digest();
  const content = Array.from({ length: 3 + (number % 3) }, (_, index) =>
    Buffer.alloc(200_000, `${index}${chunk.toString("hex")}`),
  );
  process.stdout.write(`${(await artifacts.put(content)).cid}\n`);
}
